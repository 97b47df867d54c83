package manifest

import (
	"bytes"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/oklog/ulid/v2"

	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/segment"
)

var update = flag.Bool("update", false, "write the golden files anew")

func sample() *Root {
	foreign := record.TopicPartition{Topic: record.TopicID{0: 7, 15: 0xaa}, Partition: 3}
	return &Root{
		Pages: []PageRef{
			{ID: ulid.ULID{1}, Base: 100, End: 612, Bytes: 1 << 20, Objects: 256, MaxTimestamp: 1700000000000},
			{ID: ulid.ULID{2}, Owner: foreign, Base: 612, End: 700, Bytes: 1 << 10, Objects: 1, MaxTimestamp: 1700000000005},
		},
		Entries: []Entry{
			{Span: ledger.Span{Place: ledger.InOwn, Tier: 4, Segment: ulid.ULID{3}, Position: 8, Length: 9 << 20, Base: 700, End: 800, MaxTimestamp: 1700000000100},
				Blocks:  []segment.Block{{Length: 5 << 20, End: 750, MaxTimestamp: 1700000000050}, {Length: 4 << 20, End: 799, MaxTimestamp: 1700000000100}},
				Aborted: []ledger.Aborted{{Producer: 5, First: 690, Last: 710}}},
			{Span: ledger.Span{Place: ledger.InCold, Tier: 2, Owner: foreign, Segment: ulid.ULID{4}, Position: 8, Length: 0, Base: 800, End: 900, MaxTimestamp: 1700000000090}},
		},
		Aborted:    []ledger.Aborted{{Producer: 5, First: 690, Last: 710}},
		Compaction: Compaction{Clean: 150, Through: 700, Done: 120},
	}
}

type field struct {
	size int
	note string
}

func TestRoot_BytesAreThoseOfTheGoldenFile(t *testing.T) {
	checkGolden(t, "root.hex", sample().Encode(), []field{
		{8, "magic FIRNROOT"}, {1, "version 1"}, {1, "base 100"}, {1, "2 pages"},
		{16, "id"}, {1, "in this folder"}, {2, "512 offsets"}, {3, "bytes"}, {2, "256 entries"}, {6, "max timestamp"},
		{16, "id"}, {1, "in another's folder"}, {16, "topic"}, {1, "partition 3"}, {1, "88 offsets"}, {2, "bytes"}, {1, "1 entry"}, {1, "max timestamp +5"},
		{1, "2 entries"},
		{1, "place: own"}, {1, "tier 4"}, {16, "object"}, {1, "in this folder"}, {1, "position 8"}, {4, "length"}, {1, "100 offsets"}, {6, "max timestamp"},
		{1, "2 blocks"}, {4, "length"}, {1, "end 750: +50"}, {1, "max timestamp -50"}, {4, "length"}, {1, "end 799: +49"}, {1, "max timestamp -0"},
		{1, "1 aborted"}, {1, "producer 5"}, {1, "first 690: -10"}, {1, "last 710: +20"},
		{1, "place: cold"}, {1, "tier 2"}, {16, "object"}, {1, "in another's folder"}, {16, "topic"}, {1, "partition 3"}, {1, "position 8"}, {1, "length 0"}, {1, "100 offsets"}, {1, "max timestamp -10"},
		{1, "one block"}, {1, "none aborted"},
		{1, "1 aborted of more than one append"}, {1, "producer 5"}, {2, "first 690"}, {1, "last 710: +20"},
		{2, "compaction: clean 150"}, {2, "through 700: +550"}, {1, "done 120"},
		{4, "CRC-32C"},
	})
}

func TestPage_BytesAreThoseOfTheGoldenFile(t *testing.T) {
	checkGolden(t, "page.hex", EncodePage(sample().Entries[1:]), []field{
		{8, "magic FIRNPAGE"}, {1, "version 1"}, {2, "base 800"}, {1, "1 entry"},
		{1, "place: cold"}, {1, "tier 2"}, {16, "object"}, {1, "in another's folder"}, {16, "topic"}, {1, "partition 3"}, {1, "position 8"}, {1, "length 0"}, {1, "100 offsets"}, {6, "max timestamp"},
		{1, "one block"}, {1, "none aborted"},
		{4, "CRC-32C"},
	})
}

// checkGolden compares b with a file of annotated hex, or writes that file with -update.
func checkGolden(t *testing.T, name string, b []byte, fields []field) {
	t.Helper()
	var out strings.Builder
	at := 0
	for _, f := range fields {
		fmt.Fprintf(&out, "%04d: % x  %s\n", at, b[at:at+f.size], f.note)
		at += f.size
	}
	if at != len(b) {
		t.Errorf("annotated %d of %d bytes", at, len(b))
	}
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(out.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != out.String() {
		t.Errorf("bytes differ from %s (a change of format?)\ngot\n%s", path, out.String())
	}
}

func TestDecode_EveryDamagedByteAndEveryCutIsFound(t *testing.T) {
	objects := map[string][]byte{"root": sample().Encode(), "page": EncodePage(sample().Entries)}
	for name, o := range objects {
		decode := func(b []byte) (err error) {
			if name == "root" {
				_, err = Decode(b)
			} else {
				_, err = DecodePage(b)
			}
			return err
		}
		if err := decode(o); err != nil {
			t.Fatal(err)
		}
		for i := range o {
			for flip := 1; flip < 256; flip++ {
				c := bytes.Clone(o)
				c[i] ^= byte(flip)
				if err := decode(c); !errors.Is(err, ErrCorrupt) {
					t.Fatalf("%s: byte %d xor %02x: %v", name, i, flip, err)
				}
			}
			if err := decode(o[:i]); !errors.Is(err, ErrCorrupt) {
				t.Fatalf("%s: first %d bytes: %v", name, i, err)
			}
		}
		if err := decode(append(bytes.Clone(o), 0)); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: a byte more: %v", name, err)
		}
		later := bytes.Clone(o[:len(o)-4])
		later[8] = 2
		if err := decode(seal(later)); !errors.Is(err, ErrVersion) {
			t.Errorf("%s: later version: %v", name, err)
		}
	}
	if _, err := Decode(objects["page"]); !errors.Is(err, ErrCorrupt) {
		t.Error("a page passes for a root")
	}
}

// FuzzDecode feeds any bytes with the right magic, version and checksum.
func FuzzDecode(f *testing.F) {
	f.Add(sample().Encode()[9:])
	f.Add(EncodePage(sample().Entries)[9:])
	seed, err := hex.DecodeString("00000000")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed)
	f.Fuzz(func(t *testing.T, b []byte) {
		if root, err := Decode(seal(append(begin(rootMagic, 0), b...))); err == nil {
			again, err := Decode(root.Encode())
			if err != nil {
				t.Fatalf("%+v does not survive: %v", root, err)
			}
			if !bytes.Equal(again.Encode(), root.Encode()) {
				t.Fatalf("%+v became %+v", root, again)
			}
		}
		if entries, err := DecodePage(seal(append(begin(pageMagic, 0), b...))); err == nil {
			if _, err := DecodePage(EncodePage(entries)); err != nil {
				t.Fatalf("%+v do not survive: %v", entries, err)
			}
		}
	})
}
