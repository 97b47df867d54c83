package frames

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"io"
	"os"
	"path/filepath"
	"testing"
)

// conversation is what a client sent on one connection: frames without their sizes.
type conversation [][]byte

// stream is the conversation as bytes.
func (c conversation) stream() (out []byte) {
	for _, frame := range c {
		out = append(binary.BigEndian.AppendUint32(out, uint32(len(frame))), frame...)
	}
	return out
}

// parse takes a stream apart. What is no whole frame in the end is a frame nevertheless.
func parse(stream []byte) (out conversation) {
	for len(stream) > 4 {
		n := int64(binary.BigEndian.Uint32(stream))
		stream = stream[4:]
		n = min(n, int64(len(stream)))
		out = append(out, stream[:n])
		stream = stream[n:]
	}
	return out
}

// load gives all conversations of testdata. A file is gzip of streams, each behind its length.
func load(t testing.TB) (all []conversation) {
	t.Helper()
	files, err := filepath.Glob("testdata/*.gz")
	if err != nil || len(files) == 0 {
		t.Fatalf("conversations: %v, %v", files, err)
	}
	for _, path := range files {
		packed, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		r, err := gzip.NewReader(bytes.NewReader(packed))
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		b, err := io.ReadAll(r)
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		for _, stream := range parse(b) {
			all = append(all, parse(stream))
		}
	}
	return all
}
