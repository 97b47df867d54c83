// Package storetest is the one conformance suite of object stores: what
// objectstore.Store promises, as tests that every driver passes.
//
// Owns: the promises common to all drivers. Does not own: what is special to one
// (durability of disk, errors of S3's HTTP interface); that lies beside it.
package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/firnlog/firnlog/objectstore"
)

// Run runs the suite. open gives an empty store for each test.
func Run(t *testing.T, open func(t *testing.T) objectstore.Store) {
	tests := []struct {
		name string
		run  func(t *testing.T, store objectstore.Store)
	}{
		{"Put_BodyIsTheConcatenationOfItsChunks", putChunks},
		{"Put_EmptyObjectIsAnObject", putEmpty},
		{"Put_ExistingObjectStaysAsItIs", putExisting},
		{"Put_RaceHasExactlyOneWinner", putRace},
		{"Put_AfterDeleteCreatesAnew", putAfterDelete},
		{"Put_CallerKeepsItsChunks", putKeepsChunks},
		{"Get_Ranges", getRanges},
		{"Get_MissingObjectIsNotFound", getMissing},
		{"Get_BytesAreTheCallers", getOwnBytes},
		{"List_ByteOrder", listOrder},
		{"List_PrefixAndAfter", listPrefixAfter},
		{"List_PagesThroughMoreThanAThousandKeys", listPages},
		{"List_RefusesBadLimits", listLimits},
		{"Delete_IsIdempotent", deleteIdempotent},
		{"Delete_ManyAtOnce", deleteMany},
		{"Context_EndedBeforehandHasNoEffect", contextEnded},
		{"Keys_DeepAndLongOnesWork", keysGood},
		{"Keys_ThoseThatEscapeAreRefused", keysBad},
		{"Concurrent_UseIsSafe", concurrentUse},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) { test.run(t, open(t)) })
	}
}

func put(t *testing.T, store objectstore.Store, key string, body ...string) {
	t.Helper()
	chunks := make([][]byte, len(body))
	for i := range body {
		chunks[i] = []byte(body[i])
	}
	if err := store.Put(t.Context(), key, chunks...); err != nil {
		t.Fatalf("put %s: %v", key, err)
	}
}

func wantBytes(t *testing.T, store objectstore.Store, key string, want []byte) {
	t.Helper()
	got, err := store.Get(t.Context(), key, 0, -1)
	if err != nil {
		t.Fatalf("get %s: %v", key, err)
	}
	if !bytes.Equal(got, want) {
		t.Fatalf("get %s: %d bytes %.40q, want %d bytes %.40q", key, len(got), got, len(want), want)
	}
}

func wantError(t *testing.T, what string, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Fatalf("%s: error %v, want %v", what, got, want)
	}
}

// wantPlain checks for an error that is definite and that no retry can help.
func wantPlain(t *testing.T, what string, err error) {
	t.Helper()
	if err == nil {
		t.Fatalf("%s: no error", what)
	}
	for _, class := range []error{
		objectstore.ErrExists, objectstore.ErrNotFound, objectstore.ErrRange,
		objectstore.ErrUnknown, objectstore.ErrUnavailable,
	} {
		if errors.Is(err, class) {
			t.Fatalf("%s: error %v is %v, want a plain one", what, err, class)
		}
	}
}

func list(t *testing.T, store objectstore.Store, prefix, after string, limit int) []objectstore.Info {
	t.Helper()
	page, err := store.List(t.Context(), prefix, after, limit)
	if err != nil {
		t.Fatalf("list %q after %q: %v", prefix, after, err)
	}
	return page
}

func keysOf(page []objectstore.Info) []string {
	keys := []string{}
	for _, info := range page {
		keys = append(keys, info.Key)
	}
	return keys
}

// pattern gives n bytes that differ from place to place.
func pattern(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*7 + i>>8*13 + i>>16*29)
	}
	return b
}

// parallel runs n functions at once and gives their errors.
func parallel(n int, run func(i int) error) []error {
	results := make(chan error)
	start := make(chan struct{})
	for i := range n {
		go func() {
			<-start
			results <- run(i)
		}()
	}
	close(start)
	errs := make([]error, n)
	for i := range errs {
		errs[i] = <-results
	}
	return errs
}

// insist repeats a request that a store turns away for the moment, as S3 does with
// ties and versitygw with neighbours of a Delete.
func insist(request func() error) error {
	for try := 1; ; try++ {
		err := request()
		if try == 1000 || !errors.Is(err, objectstore.ErrUnavailable) {
			return err
		}
	}
}

func concurrentUse(t *testing.T, store objectstore.Store) {
	ctx := t.Context()
	errs := parallel(8, func(i int) error {
		for round := range 5 {
			key := fmt.Sprintf("mix/%d/%d", i, round)
			body := fmt.Appendf(nil, "body of %s", key)
			if err := roundTrip(ctx, store, key, body); err != nil {
				return err
			}
		}
		return nil
	})
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	if left := list(t, store, "mix/", "", 1000); len(left) != 0 {
		t.Fatalf("left over: %v", left)
	}
}

func roundTrip(ctx context.Context, store objectstore.Store, key string, body []byte) error {
	if err := insist(func() error { return store.Put(ctx, key, body[:3], body[3:]) }); err != nil {
		return fmt.Errorf("put %s: %w", key, err)
	}
	got, err := store.Get(ctx, key, 0, -1)
	if err != nil || !bytes.Equal(got, body) {
		return fmt.Errorf("get %s: %q, %w", key, got, err)
	}
	page, err := store.List(ctx, key, "", 10)
	if err != nil || len(page) != 1 || page[0] != (objectstore.Info{Key: key, Size: int64(len(body))}) {
		return fmt.Errorf("list %s: %v, %w", key, page, err)
	}
	if err := store.Delete(ctx, key); err != nil {
		return fmt.Errorf("delete %s: %w", key, err)
	}
	return nil
}
