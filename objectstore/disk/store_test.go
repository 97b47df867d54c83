package disk

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/firnlog/firnlog/objectstore"
	"github.com/firnlog/firnlog/objectstore/storetest"
)

func TestDisk_KeepsThePromisesOfStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T) objectstore.Store { return openDisk(t, t.TempDir()) })
}

func openDisk(t *testing.T, root string) *Store {
	t.Helper()
	store, err := Open(root)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	return store
}

func TestOpen_MakesTheFolderAndKeepsObjects(t *testing.T) {
	root := filepath.Join(t.TempDir(), "new", "data")
	store := openDisk(t, root)
	if err := store.Put(t.Context(), "a/b", []byte("x")); err != nil {
		t.Fatal(err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	got, err := openDisk(t, root).Get(t.Context(), "a/b", 0, -1)
	if err != nil || string(got) != "x" {
		t.Errorf("get after opening again: %q, %v", got, err)
	}
}

func TestOpen_RemovesWhatAKilledWriterLeft(t *testing.T) {
	root := t.TempDir()
	store := openDisk(t, root)
	left := leaveTemp(t, store)
	if page, err := store.List(t.Context(), "", "", 10); err != nil || len(page) != 0 {
		t.Errorf("list shows %v, %v", page, err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	openDisk(t, root)
	if _, err := os.Stat(left); !os.IsNotExist(err) {
		t.Errorf("after opening again %s is still there: %v", left, err)
	}
}

func TestOpen_SparesTheFilesOfALivingWriter(t *testing.T) {
	root := t.TempDir()
	writing := leaveTemp(t, openDisk(t, root))
	openDisk(t, root)
	if _, err := os.Stat(writing); err != nil {
		t.Errorf("the second store removed a file of the first: %v", err)
	}
}

func TestPut_BeyondTheFileOfAnotherKeyIsRefused(t *testing.T) {
	store := openDisk(t, t.TempDir())
	if err := store.Put(t.Context(), "a/b", []byte("x")); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"a", "a/b/c", "a/b/c/d"} {
		err := store.Put(t.Context(), key, []byte("y"))
		if err == nil || errors.Is(err, objectstore.ErrExists) || errors.Is(err, objectstore.ErrUnknown) {
			t.Errorf("put %s: %v, want a definite refusal", key, err)
		}
	}
	if err := store.Delete(t.Context(), "a", "a/b/c"); err != nil {
		t.Errorf("delete of keys that cannot be: %v", err)
	}
	if got, err := store.Get(t.Context(), "a/b", 0, -1); err != nil || string(got) != "x" {
		t.Errorf("get a/b: %q, %v", got, err)
	}
}

// The body of a segment is many chunks of one large buffer; to join them would double
// the memory of every upload in flight.
func TestPut_DoesNotJoinChunks(t *testing.T) {
	store := openDisk(t, t.TempDir())
	chunk := bytes.Repeat([]byte{7}, 16<<10)
	body := make([][]byte, 512) // 8 MiB
	for i := range body {
		body[i] = chunk
	}
	if err := store.Put(t.Context(), "segments/warm", body...); err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if err := store.Put(t.Context(), "segments/large", body...); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	if allocated := after.TotalAlloc - before.TotalAlloc; allocated > 2<<20 { // the buffer of direct writes, which a collection may have taken, has one
		t.Errorf("a put of 8 MiB allocated %d bytes", allocated)
	}
}

func leaveTemp(t *testing.T, store *Store) (path string) {
	t.Helper()
	file, err := store.files.CreateTemp(store.temp())
	if err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	return file.Name()
}
