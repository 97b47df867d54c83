package disk

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/firnlog/firnlog/objectstore"
)

func openRecorded(t *testing.T) (*Store, *recorder) {
	t.Helper()
	r := newRecorder(t.TempDir())
	store, err := open(r.root, r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	r.transcript()
	return store, r
}

func TestPut_SyncsFileBeforeLinkBeforeFolder(t *testing.T) {
	store, r := openRecorded(t)
	if err := store.Put(t.Context(), "segments/1", []byte("ab"), []byte("c")); err != nil {
		t.Fatal(err)
	}
	want := "mkdir segments\nsync folder ROOT\n" +
		"create TEMP\nwrite 2 chunks\nsync TEMP\nclose\nlink TEMP segments/1\nsync folder segments\nremove TEMP"
	if got := r.transcript(); got != want {
		t.Errorf("first put:\n%s\nwant:\n%s", got, want)
	}
	if err := store.Put(t.Context(), "segments/2", []byte("d")); err != nil {
		t.Fatal(err)
	}
	want = "create TEMP\nwrite 1 chunks\nsync TEMP\nclose\nlink TEMP segments/2\nsync folder segments\nremove TEMP"
	if got := r.transcript(); got != want {
		t.Errorf("second put:\n%s\nwant:\n%s", got, want)
	}
}

func TestPut_EachNewFolderIsSyncedIntoTheOneAbove(t *testing.T) {
	store, r := openRecorded(t)
	if err := store.Put(t.Context(), "a/b/c"); err != nil {
		t.Fatal(err)
	}
	want := "mkdir a\nsync folder ROOT\nmkdir a/b\nsync folder a\ncreate TEMP"
	if got := r.transcript(); !strings.HasPrefix(got, want) {
		t.Errorf("transcript:\n%s\nwant first:\n%s", got, want)
	}
}

// A folder may have been made by a process that was killed before it synced it.
func TestPut_FolderOfAnEarlierProcessIsSyncedAgain(t *testing.T) {
	store, r := openRecorded(t)
	if err := os.Mkdir(filepath.Join(r.root, "segments"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := store.Put(t.Context(), "segments/1"); err != nil {
		t.Fatal(err)
	}
	if got := r.transcript(); !strings.HasPrefix(got, "mkdir segments\nsync folder ROOT\n") {
		t.Errorf("transcript:\n%s", got)
	}
}

func TestPut_ExistsIsSaidOnlyOfADurableObject(t *testing.T) {
	store, r := openRecorded(t)
	broken := errors.New("broken disk")
	r.fail = failOn("sync folder segments", broken)
	err := store.Put(t.Context(), "segments/1", []byte("x"))
	if !errors.Is(err, objectstore.ErrUnknown) || !errors.Is(err, broken) {
		t.Fatalf("folder not synced: %v, want unknown", err)
	}
	if err = store.Put(t.Context(), "segments/1", []byte("x")); !errors.Is(err, objectstore.ErrUnknown) {
		t.Fatalf("folder still not synced: %v, want unknown", err)
	}
	r.fail = nil
	if err = store.Put(t.Context(), "segments/1", []byte("x")); !errors.Is(err, objectstore.ErrExists) {
		t.Fatalf("third put: %v, want exists", err)
	}
	if !r.survives(store.path("segments/1")) {
		t.Error("said to exist, but a power cut would take it")
	}
}

func TestPut_FailureBeforeLinkIsDefinite(t *testing.T) {
	for _, call := range []string{
		"mkdir segments", "sync folder ROOT", "create TEMP", "write 1 chunks", "sync TEMP", "close", "link TEMP segments/1",
	} {
		for _, cause := range []error{syscall.EIO, syscall.ENOSPC} {
			store, r := openRecorded(t)
			r.fail = failOn(call, cause)
			err := store.Put(t.Context(), "segments/1", []byte("x"))
			if !errors.Is(err, cause) || errors.Is(err, objectstore.ErrUnknown) || errors.Is(err, objectstore.ErrExists) {
				t.Errorf("%s fails with %v: %v, want a definite error", call, cause, err)
			}
			if full := errors.Is(cause, syscall.ENOSPC); errors.Is(err, objectstore.ErrUnavailable) != full {
				t.Errorf("%s fails with %v: %v; unavailable is for a full disk", call, cause, err)
			}
			r.fail = nil
			if _, err := store.Get(t.Context(), "segments/1", 0, -1); !errors.Is(err, objectstore.ErrNotFound) {
				t.Errorf("%s failed, and get gives %v", call, err)
			}
			if left := tempFiles(t, r.root); call != "close" && len(left) != 0 {
				t.Errorf("%s failed and left %v", call, left)
			}
			if err := store.Put(t.Context(), "segments/1", []byte("x")); err != nil {
				t.Errorf("put after %s failed: %v", call, err)
			}
		}
	}
}

// Anomaly 10: whatever fails meanwhile, what was acknowledged is on disk.
func TestPut_AcknowledgedSurvivesAPowerCut(t *testing.T) {
	store, r := openRecorded(t)
	var calls atomic.Int64
	r.fail = func(string) error {
		if calls.Add(1)%7 == 0 {
			return syscall.EIO
		}
		return nil
	}
	var acknowledged atomic.Int64
	var writers sync.WaitGroup
	for w := range 8 {
		writers.Go(func() {
			for i := range 40 {
				key := fmt.Sprintf("f%d/g%d/%d", i%5, i%3, (w+i)%16)
				err := store.Put(t.Context(), key, []byte(key))
				if err != nil && !errors.Is(err, objectstore.ErrExists) {
					continue
				}
				acknowledged.Add(1)
				if !r.survives(store.path(key)) {
					t.Errorf("put %s: %v, but a power cut would take it", key, err)
				}
			}
		})
	}
	writers.Wait()
	if acknowledged.Load() < 20 {
		t.Errorf("only %d acknowledged", acknowledged.Load())
	}
}

func TestDelete_SyncsEachFolderOnce(t *testing.T) {
	store, r := openRecorded(t)
	for _, key := range []string{"a/1", "a/2", "b/1"} {
		if err := store.Put(t.Context(), key); err != nil {
			t.Fatal(err)
		}
	}
	r.transcript()
	if err := store.Delete(t.Context(), "a/1", "b/1", "a/2", "c/none"); err != nil {
		t.Fatal(err)
	}
	want := "remove a/1\nremove b/1\nremove a/2\nremove c/none\nsync folder a\nsync folder b"
	if got := r.transcript(); got != want {
		t.Errorf("transcript:\n%s\nwant:\n%s", got, want)
	}
}

func failOn(call string, err error) func(string) error {
	return func(made string) error {
		if made == call {
			return err
		}
		return nil
	}
}

func tempFiles(t *testing.T, root string) []string {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(root, tempFolder))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, entry := range entries {
		if entry.Name() != lockFile {
			names = append(names, entry.Name())
		}
	}
	return names
}
