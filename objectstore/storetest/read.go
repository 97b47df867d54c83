package storetest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/firnlog/firnlog/objectstore"
)

func getRanges(t *testing.T, store objectstore.Store) {
	put(t, store, "range", "0123", "456789")
	tests := []struct {
		name           string
		offset, length int64
		want           string
		err            error
	}{
		{"whole", 0, -1, "0123456789", nil},
		{"whole by length", 0, 10, "0123456789", nil},
		{"middle across chunks", 2, 5, "23456", nil},
		{"one byte", 9, 1, "9", nil},
		{"no byte", 4, 0, "", nil},
		{"rest", 7, -1, "789", nil},
		{"past the end is cut", 7, 100, "789", nil},
		{"length near overflow", 7, math.MaxInt64, "789", nil},
		{"tail", -3, -1, "789", nil},
		{"tail with length", -3, 2, "78", nil},
		{"tail with length past the end", -3, 9, "789", nil},
		{"tail of no byte", -3, 0, "", nil},
		{"tail longer than the object", -100, -1, "0123456789", nil},
		{"tail longer, with length", -100, 4, "0123", nil},
		{"at the end", 10, -1, "", objectstore.ErrRange},
		{"at the end with length", 10, 1, "", objectstore.ErrRange},
		{"at the end, no byte", 10, 0, "", objectstore.ErrRange},
		{"beyond the end", 11, 5, "", objectstore.ErrRange},
		{"far beyond", 1 << 40, -1, "", objectstore.ErrRange},
	}
	for _, test := range tests {
		got, err := store.Get(t.Context(), "range", test.offset, test.length)
		if !errors.Is(err, test.err) || string(got) != test.want {
			t.Errorf("%s (%d, %d): %q, %v; want %q, %v", test.name, test.offset, test.length, got, err, test.want, test.err)
		}
	}
}

func getMissing(t *testing.T, store objectstore.Store) {
	put(t, store, "there/is/one", "x")
	for _, key := range []string{"not-there", "not/there/at/all", "there", "there/is", "there/is/on"} {
		for _, extent := range [][2]int64{{0, -1}, {5, 10}, {0, 0}, {-5, -1}} {
			_, err := store.Get(t.Context(), key, extent[0], extent[1])
			wantError(t, fmt.Sprintf("get %s %v", key, extent), err, objectstore.ErrNotFound)
		}
	}
}

func getOwnBytes(t *testing.T, store objectstore.Store) {
	put(t, store, "own", "abc")
	got, err := store.Get(t.Context(), "own", 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	got[0] = 'X'
	_ = append(got[:1], "YZ"...)
	wantBytes(t, store, "own", []byte("abc"))
}

func listOrder(t *testing.T, store objectstore.Store) {
	// In byte order "-" and "." come before "/", and "0", "A" and "_" after it.
	want := []string{
		"order/A", "order/Z/x", "order/a", "order/b-c", "order/b.c", "order/b/a", "order/b/c-d",
		"order/b/c/d", "order/b/c0", "order/b0", "order/bA/z", "order/b_c", "order/c/1", "order/c/10", "order/c/2",
	}
	if !slices.IsSorted(want) {
		t.Fatal("test keys are not in order")
	}
	for i := range want {
		put(t, store, want[(i*7+3)%len(want)], "x") // 7 and 15 have no common factor
	}
	if got := keysOf(list(t, store, "", "", 1000)); !slices.Equal(got, want) {
		t.Errorf("order:\n got %v\nwant %v", got, want)
	}
	for limit := 1; limit < 5; limit++ {
		if got := allKeys(t, store, "order/", limit); !slices.Equal(got, want) {
			t.Errorf("pages of %d:\n got %v\nwant %v", limit, got, want)
		}
	}
}

func listPrefixAfter(t *testing.T, store objectstore.Store) {
	keys := []string{"p/a/1", "p/a/2", "p/ab", "p/b", "q/a"}
	for _, key := range keys {
		put(t, store, key, key)
	}
	tests := []struct {
		prefix, after string
		want          []string
	}{
		{"", "", keys},
		{"p/", "", keys[:4]},
		{"p/a", "", keys[:3]},
		{"p/a/", "", keys[:2]},
		{"p/a/1", "", keys[:1]},
		{"p", "", keys[:4]},
		{"r", "", nil},
		{"p/a/1/x", "", nil},
		{"p/c/", "", nil},
		{"p/", "p/a/1", keys[1:4]},
		{"p/", "p/a/15", keys[1:4]},
		{"p/", "p/a/9", keys[2:4]},
		{"p/", "p/b", nil},
		{"p/", "z", nil},
		{"q/", "a", keys[4:]},
		{"p/b", "p/a", keys[3:4]},
	}
	for _, test := range tests {
		got := keysOf(list(t, store, test.prefix, test.after, 100))
		if !slices.Equal(got, test.want) && len(got)+len(test.want) > 0 {
			t.Errorf("prefix %q after %q: %v, want %v", test.prefix, test.after, got, test.want)
		}
	}
	for _, info := range list(t, store, "", "", 100) {
		if info.Size != int64(len(info.Key)) {
			t.Errorf("size of %s is %d", info.Key, info.Size)
		}
	}
}

func listPages(t *testing.T, store objectstore.Store) {
	const n = 1013
	ctx := t.Context()
	errs := parallel(8, func(worker int) error {
		for i := worker; i < n; i += 8 {
			if err := store.Put(ctx, pageKey(i), []byte("x")); err != nil {
				return err
			}
		}
		return nil
	})
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	for _, limit := range []int{1000, 337} {
		got := allKeys(t, store, "pages/", limit)
		if len(got) != n {
			t.Fatalf("pages of %d: %d keys, want %d", limit, len(got), n)
		}
		for i, key := range got {
			if key != pageKey(i) {
				t.Fatalf("pages of %d: key %d is %s, want %s", limit, i, key, pageKey(i))
			}
		}
	}
}

func pageKey(i int) string { return fmt.Sprintf("pages/%d/%05d", i/300, i) }

// allKeys pages through a listing: a page that is not full ends it.
func allKeys(t *testing.T, store objectstore.Store, prefix string, limit int) []string {
	t.Helper()
	var keys []string
	after := ""
	for {
		page := list(t, store, prefix, after, limit)
		keys = append(keys, keysOf(page)...)
		if len(page) > limit {
			t.Fatalf("page of %d, limit %d", len(page), limit)
		}
		if len(page) < limit {
			return keys
		}
		last := page[len(page)-1].Key
		if last <= after {
			t.Fatalf("page after %q ends in %q", after, last)
		}
		after = last
	}
}

func listLimits(t *testing.T, store objectstore.Store) {
	for _, limit := range []int{-1, 0, 1001} {
		_, err := store.List(t.Context(), "", "", limit)
		wantPlain(t, fmt.Sprintf("list with limit %d", limit), err)
	}
}

func deleteIdempotent(t *testing.T, store objectstore.Store) {
	put(t, store, "gone/a", "x")
	put(t, store, "gone/b", "x")
	for _, keys := range [][]string{{"gone/a"}, {"gone/a"}, {"never/was"}, {"gone/a", "never/was", "gone"}, {}} {
		if err := store.Delete(t.Context(), keys...); err != nil {
			t.Errorf("delete %v: %v", keys, err)
		}
	}
	_, err := store.Get(t.Context(), "gone/a", 0, -1)
	wantError(t, "get after delete", err, objectstore.ErrNotFound)
	wantBytes(t, store, "gone/b", []byte("x"))
	if got := keysOf(list(t, store, "gone/", "", 10)); !slices.Equal(got, []string{"gone/b"}) {
		t.Errorf("list after delete: %v", got)
	}
}

func deleteMany(t *testing.T, store objectstore.Store) {
	// One more than S3 takes in one request; only some are there.
	var keys []string
	for i := range 1001 {
		keys = append(keys, fmt.Sprintf("many/%04d", i))
	}
	for _, i := range []int{0, 1, 500, 999, 1000} {
		put(t, store, keys[i], "x")
	}
	put(t, store, "manyfold", "stays")
	if err := store.Delete(t.Context(), keys...); err != nil {
		t.Fatalf("delete %d keys: %v", len(keys), err)
	}
	if got := keysOf(list(t, store, "many", "", 10)); !slices.Equal(got, []string{"manyfold"}) {
		t.Errorf("left: %v", got)
	}
}

func contextEnded(t *testing.T, store objectstore.Store) {
	put(t, store, "ctx/kept", "x")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := store.Put(ctx, "ctx/new", []byte("x"))
	wantError(t, "put", err, context.Canceled)
	if errors.Is(err, objectstore.ErrUnknown) {
		t.Errorf("put that was never sent: %v", err)
	}
	_, err = store.Get(ctx, "ctx/kept", 0, -1)
	wantError(t, "get", err, context.Canceled)
	_, err = store.List(ctx, "ctx/", "", 10)
	wantError(t, "list", err, context.Canceled)
	err = store.Delete(ctx, "ctx/kept")
	wantError(t, "delete", err, context.Canceled)
	if errors.Is(err, objectstore.ErrUnknown) {
		t.Errorf("delete that was never sent: %v", err)
	}
	if got := keysOf(list(t, store, "ctx/", "", 10)); !slices.Equal(got, []string{"ctx/kept"}) {
		t.Errorf("after requests with an ended context: %v", got)
	}
}

func keysGood(t *testing.T, store objectstore.Store) {
	keys := []string{
		"k", "segments/01JAB2C3D4E5F6G7H8J9K0MNPQ",
		"settled/0123456789abcdef0123456789abcdef/0000000001/01JAB2C3D4E5F6G7H8J9K0MNPQ",
		strings.Repeat("d/", 40) + "leaf",
		"long/" + strings.Repeat("x", 200),
		"odd/a b+c=d&e?f#g%h%2Fi@j:k,l~m!n(o)'p;q",
	}
	for _, key := range keys {
		put(t, store, key, key)
		wantBytes(t, store, key, []byte(key))
		if got := keysOf(list(t, store, key, "", 1)); !slices.Equal(got, []string{key}) {
			t.Errorf("list %q: %q", key, got)
		}
	}
	if err := store.Delete(t.Context(), keys...); err != nil {
		t.Fatal(err)
	}
	if left := list(t, store, "", "", 10); len(left) != 0 {
		t.Errorf("left after delete: %v", left)
	}
}

func keysBad(t *testing.T, store objectstore.Store) {
	for _, key := range []string{
		"", "/", "/abs", "a//b", "a/", "..", "../up", "a/../../up", "a/..", ".", "./a", "a/./b", ".tmp/x",
		"a\x00b", "a\nb", "a\\b", "é", strings.Repeat("x", 256), strings.Repeat("d/", 600) + "x",
	} {
		wantPlain(t, fmt.Sprintf("put %q", key), store.Put(t.Context(), key, []byte("x")))
		_, err := store.Get(t.Context(), key, 0, -1)
		wantPlain(t, fmt.Sprintf("get %q", key), err)
		wantPlain(t, fmt.Sprintf("delete %q", key), store.Delete(t.Context(), key))
	}
	for _, prefix := range []string{"/", "../", "a/../", ".tmp/", "a//", "."} {
		_, err := store.List(t.Context(), prefix, "", 10)
		wantPlain(t, fmt.Sprintf("list %q", prefix), err)
	}
	if left := list(t, store, "", "", 10); len(left) != 0 {
		t.Errorf("refused keys left %v", left)
	}
}
