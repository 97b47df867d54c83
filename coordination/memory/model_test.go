package memory

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/firnlog/firnlog/coordination"
)

// states is the plainest model of history: all items, copied at every revision.
type states map[coordination.Revision]map[string]coordination.Item

func (s states) apply(rev coordination.Revision, changes []coordination.Change) {
	next := maps.Clone(s[rev-1])
	if next == nil {
		next = map[string]coordination.Item{}
	}
	for _, c := range changes {
		switch {
		case c.Value != nil:
			item := coordination.Item{Key: c.Key, Value: c.Value, Create: rev, Mod: rev}
			if old, ok := next[c.Key]; ok {
				item.Create = old.Create
			}
			next[c.Key] = item
		case c.Prefix:
			maps.DeleteFunc(next, func(key string, _ coordination.Item) bool { return strings.HasPrefix(key, c.Key) })
		default:
			delete(next, c.Key)
		}
	}
	s[rev] = next
}

func (s states) list(r coordination.Range, at coordination.Revision) (items []coordination.Item, more bool) {
	for _, key := range slices.Sorted(maps.Keys(s[at])) {
		item := s[at][key]
		if !strings.HasPrefix(key, r.Prefix) || r.After != "" && key <= r.After || item.Create < r.MinCreate {
			continue
		}
		if r.Limit > 0 && len(items) == r.Limit {
			return items, true
		}
		items = append(items, item)
	}
	return items, false
}

func equalItem(a, b coordination.Item) bool {
	return a.Key == b.Key && string(a.Value) == string(b.Value) && a.Create == b.Create && a.Mod == b.Mod
}

func TestStore_EveryReadOfHistoryIsWhatWasThere(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		kv, model := New(Settings{}), states{}
		ctx := t.Context()
		newest, compacted := coordination.Revision(1), coordination.Revision(0)
		key := rapid.StringMatching(`[ab](/[ab]{0,2})?`)
		t.Repeat(map[string]func(*rapid.T){
			"commit": func(t *rapid.T) {
				changes := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) coordination.Change {
					switch k := key.Draw(t, "key"); rapid.IntRange(0, 5).Draw(t, "kind") {
					case 0:
						return coordination.DeleteKey(k)
					case 1:
						return coordination.DeletePrefix(k)
					default:
						return coordination.PutKey(k, []byte(fmt.Sprint(newest)))
					}
				}), 1, 4).Draw(t, "changes")
				res, err := kv.Commit(ctx, nil, changes)
				if errors.Is(err, coordination.ErrInvalid) {
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				if res.Revision > newest {
					newest = res.Revision
					model.apply(newest, changes)
				}
			},
			"compact": func(t *rapid.T) {
				rev := coordination.Revision(rapid.IntRange(0, int(newest)).Draw(t, "rev"))
				if err := kv.Compact(ctx, rev); err == nil {
					compacted = rev
				}
			},
			"list": func(t *rapid.T) {
				r := coordination.Range{
					Prefix: rapid.SampledFrom([]string{"", "a", "a/", "b"}).Draw(t, "prefix"),
					After:  rapid.SampledFrom([]string{"", "a", "a/b", "b"}).Draw(t, "after"),
					Limit:  rapid.IntRange(0, 3).Draw(t, "limit"),
					At:     coordination.Revision(rapid.IntRange(0, int(newest)).Draw(t, "at")),
				}
				r.MinCreate = coordination.Revision(rapid.IntRange(0, int(newest)).Draw(t, "min"))
				at := r.At
				if at == 0 {
					at = newest
				}
				page, err := kv.List(ctx, r)
				if at < compacted {
					if !errors.Is(err, coordination.ErrCompacted) {
						t.Fatalf("List(%+v) after Compact(%d): %v", r, compacted, err)
					}
					return
				}
				want, more := model.list(r, at)
				if err != nil || page.More != more || !slices.EqualFunc(page.Items, want, equalItem) {
					t.Fatalf("List(%+v) = %+v, %v; want %+v, more %t", r, page, err, want, more)
				}
			},
		})
	})
}

func TestIndex_KeepsOrderThroughManyChunks(t *testing.T) {
	const keys = 5 * chunkKeysMax
	kv := New(Settings{})
	put := func(i int) {
		if _, err := kv.Commit(t.Context(), nil, []coordination.Change{coordination.PutKey(fmt.Sprintf("k%05d", i), nil)}); err != nil {
			t.Fatal(err)
		}
	}
	check := func(want int) {
		t.Helper()
		page, err := kv.List(t.Context(), coordination.Range{Prefix: "k"})
		if err != nil || len(page.Items) != want {
			t.Fatalf("%d keys, %v; want %d", len(page.Items), err, want)
		}
		if !slices.IsSortedFunc(page.Items, func(a, b coordination.Item) int { return strings.Compare(a.Key, b.Key) }) {
			t.Error("not in order")
		}
	}
	for i := range keys {
		put((i * 7919) % keys) // every key once, all over the range
	}
	check(keys)
	if _, err := kv.Commit(t.Context(), nil, []coordination.Change{coordination.DeletePrefix("k01")}); err != nil {
		t.Fatal(err)
	}
	check(keys - 1000)
	if err := kv.Compact(t.Context(), kv.mu.rev); err != nil {
		t.Fatal(err)
	}
	check(keys - 1000)
	if n := len(kv.mu.keys.byKey); n != keys-1000 {
		t.Errorf("the index holds %d keys after a compaction, want %d", n, keys-1000)
	}
	for i := 1000; i < 2000; i++ {
		put(i)
	}
	check(keys)
}
