package disk

import (
	"bytes"
	"testing"
)

func TestAdvance_DropsExactlyWhatWasWritten(t *testing.T) {
	for n := range 11 {
		chunks := [][]byte{[]byte("012"), []byte("3"), []byte("456789")}
		vector := append([][]byte{}, chunks...)
		left := bytes.Join(advance(vector, n), nil)
		if want := "0123456789"[n:]; string(left) != want {
			t.Errorf("after %d bytes %q is left, want %q", n, left, want)
		}
		if string(chunks[0]) != "012" || string(chunks[2]) != "456789" {
			t.Errorf("after %d bytes the chunks are %q", n, chunks)
		}
	}
}
