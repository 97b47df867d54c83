package disk

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"testing"
)

// Sizes and cuts around every limit: blocks, buffers, the least that goes past the page cache.
func TestWriteChunks_WritesWhatItIsGivenWhateverItsSizeAndCuts(t *testing.T) {
	dice := rand.New(rand.NewPCG(1, 2))
	folders := []string{t.TempDir()}
	if shm, err := os.MkdirTemp("/dev/shm", "firnlog-disk-"); err == nil { // a file system of another kind, where there is one
		t.Cleanup(func() { os.RemoveAll(shm) })
		folders = append(folders, shm)
	}
	sizes := []int{0, 1, blockBytes, directMin - 1, directMin, directMin + 1, directBytes - 1, directBytes, directBytes + 1, 3*directBytes + 2*blockBytes + 17}
	for _, folder := range folders {
		for _, size := range sizes {
			for _, cut := range []int{1 << 30, 100_003, directBytes, blockBytes, 777} {
				want := make([]byte, size)
				for i := range want {
					want[i] = byte(dice.Uint32())
				}
				if got := written(t, folder, split(want, cut)); !bytes.Equal(got, want) {
					t.Fatalf("%s: %d bytes in chunks of %d are not what is read back (%d bytes)", folder, size, cut, len(got))
				}
			}
		}
	}
}

func TestWriteChunks_LeavesTheCallersChunksAsTheyAre(t *testing.T) {
	body := bytes.Repeat([]byte("firn"), directBytes)
	chunks := split(body, 100_003)
	before := fmt.Sprint(len(chunks), len(chunks[0]), len(chunks[len(chunks)-1]))
	written(t, t.TempDir(), chunks)
	if after := fmt.Sprint(len(chunks), len(chunks[0]), len(chunks[len(chunks)-1])); after != before {
		t.Errorf("chunks are %s, were %s", after, before)
	}
	if !bytes.Equal(bytes.Join(chunks, nil), body) {
		t.Error("their bytes have changed")
	}
}

func split(body []byte, cut int) (chunks [][]byte) {
	for len(body) > cut {
		chunks, body = append(chunks, body[:cut]), body[cut:]
	}
	return append(chunks, body)
}

func written(t *testing.T, folder string, chunks [][]byte) []byte {
	t.Helper()
	f, err := osFiles{}.CreateTemp(folder)
	if err != nil {
		t.Fatal(err)
	}
	defer os.Remove(f.Name())
	if err := f.WriteChunks(chunks); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(f.Name())
	if err != nil {
		t.Fatal(err)
	}
	return got
}
