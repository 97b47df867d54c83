package record

import (
	"bytes"
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestBatch_BytesAreThoseOfTheGoldenFile(t *testing.T) {
	b := build(t, Settings{Sequence: &Sequence{Producer: 4711, Epoch: 2, First: 10}, Transactional: true},
		message{1700000000000, []byte("key"), []byte("first value"), []RecordHeader{{"trace", []byte{1, 2}}}},
		message{1700000000250, nil, []byte{}, nil})
	Stamp(b, 42)
	fields := []field{
		{8, "base offset 42"}, {4, "length"}, {4, "leader epoch 0"}, {1, "magic"}, {4, "CRC-32C"},
		{2, "attributes: transactional"}, {4, "last offset delta 1"}, {8, "first timestamp"}, {8, "max timestamp, 250 later"},
		{8, "producer 4711"}, {2, "epoch 2"}, {4, "first sequence 10"}, {4, "2 records"},
		{1, "record of 29 bytes"}, {1, "attributes"}, {1, "timestamp delta 0"}, {1, "offset delta 0"},
		{1, "key of 3"}, {3, "key"}, {1, "value of 11"}, {11, "first value"}, {1, "1 header"},
		{1, "header key of 5"}, {5, "trace"}, {1, "header value of 2"}, {2, ""},
		{1, "record of 8 bytes"}, {1, "attributes"}, {2, "timestamp delta 250"}, {1, "offset delta 1"},
		{1, "null key"}, {1, "value of 0"}, {1, "no headers"},
	}
	checkGolden(t, "batch.hex", b, fields)
}

type field struct {
	size int
	note string
}

// checkGolden compares b with a file of annotated hex, or writes that file with -update.
func checkGolden(t *testing.T, name string, b []byte, fields []field) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		writeGolden(t, path, b, fields)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var want []byte
	for line := range strings.Lines(string(text)) {
		_, rest, _ := strings.Cut(strings.TrimSpace(line), ": ")
		digits, _, _ := strings.Cut(rest, "  ")
		part, err := hex.DecodeString(strings.ReplaceAll(digits, " ", ""))
		if err != nil {
			t.Fatalf("line %q: %v", line, err)
		}
		want = append(want, part...)
	}
	if !bytes.Equal(b, want) {
		t.Errorf("bytes differ from %s (a change of format?)\ngot  %x\nwant %x", path, b, want)
	}
}

func writeGolden(t *testing.T, path string, b []byte, fields []field) {
	t.Helper()
	var out strings.Builder
	at := 0
	for _, f := range fields {
		fmt.Fprintf(&out, "%04d: % x  %s\n", at, b[at:at+f.size], f.note)
		at += f.size
	}
	if at != len(b) {
		t.Fatalf("annotated %d of %d bytes", at, len(b))
	}
	if err := os.WriteFile(path, []byte(out.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}

var update = flag.Bool("update", false, "write the golden files anew")
