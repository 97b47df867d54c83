package segment

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

func TestSegment_BytesAreThoseOfTheGoldenFile(t *testing.T) {
	const ms = 1700000000000
	s := seal(t,
		partition(topic(1), 0, batch(t, ms)),
		partition(topic(1), 3, batch(t, ms+5), batch(t, ms+40, ms+20)),
		partition(topic(2), 1, batch(t, ms-10)))
	fields := []field{
		{8, "magic FIRNSEG1"},
		{int(s.Runs[0].Length), "run 1/0: 1 batch of 1 record"},
		{int(s.Runs[1].Length), "run 1/3: 2 batches of 3 records"},
		{int(s.Runs[2].Length), "run 2/1: 1 batch of 1 record"},
		{1, "footer: 2 topics"},
		{16, "topic 1"}, {1, "2 runs"},
		{1, "partition 0"}, {1, "length"}, {1, "1 batch"}, {1, "1 record"}, {6, "max timestamp"},
		{1, "partition 3: 2 after the next"}, {2, "length"}, {1, "2 batches"}, {1, "3 records"}, {1, "max timestamp +40"},
		{16, "topic 2"}, {1, "1 run"},
		{1, "partition 1"}, {1, "length"}, {1, "1 batch"}, {1, "1 record"}, {1, "max timestamp -50"},
		{4, "trailer: length of the footer"}, {4, "CRC-32C of the footer"}, {8, "size of the object"},
		{4, "version 1"}, {4, "CRC-32C of the trailer so far"}, {8, "magic FIRNSEG1"},
	}
	checkGolden(t, "segment.hex", object(s), fields)
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
