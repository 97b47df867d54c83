package disk

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
)

// Parts that begin and end around every block, and around the least that is read past the page cache.
func TestGet_LargePartsAreWhatWasWritten(t *testing.T) {
	folders := []string{t.TempDir()}
	if shm, err := os.MkdirTemp("/dev/shm", "firnlog-disk-"); err == nil { // a file system of another kind, where there is one
		t.Cleanup(func() { os.RemoveAll(shm) })
		folders = append(folders, shm)
	}
	dice := rand.New(rand.NewPCG(3, 4))
	want := make([]byte, 3*directReadMin+blockBytes+17)
	for i := range want {
		want[i] = byte(dice.Uint32())
	}
	for _, folder := range folders {
		s, err := Open(folder)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		if err := s.Put(t.Context(), "a", want); err != nil {
			t.Fatal(err)
		}
		size := int64(len(want))
		for _, from := range []int64{0, 1, blockBytes - 1, blockBytes, blockBytes + 1, directReadMin, size - directReadMin} {
			for _, to := range []int64{from + directReadMin - 1, from + directReadMin, from + directReadMin + 1, size - blockBytes, size - 17, size - 1, size} {
				if to > size || to <= from {
					continue
				}
				got, err := s.Get(t.Context(), "a", from, to-from)
				if err != nil || !bytes.Equal(got, want[from:to]) {
					t.Fatalf("%s: %d to %d: %d bytes, %v", folder, from, to, len(got), err)
				}
			}
		}
		if _, err := s.Get(t.Context(), "a", 0, -1); err != nil {
			t.Error(err)
		}
	}
}

func TestReadDirect_OfAFileThatWasCutIsNotHere(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a")
	if err := os.WriteFile(path, make([]byte, 2*directReadMin), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, directReadMin+5); err != nil {
		t.Fatal(err)
	}
	if data, ok := readDirect(path, 0, 2*directReadMin); ok {
		t.Errorf("%d bytes of a file that has fewer", len(data))
	}
}
