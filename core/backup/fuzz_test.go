package backup

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/firnlog/firnlog/coordination"
)

// FuzzOpen feeds any bytes as objects of each kind; as they are, and with the checksum made right, so that what
// lies behind it is reached. What can be read is written and read to the same.
func FuzzOpen(f *testing.F) {
	entries := appendEntry(nil, &Entry{Key: "log/format", Value: []byte("{}"), Create: 1, Mod: 1}, 0)
	entries = appendEntry(entries, &Entry{Key: "log/commits/x", Create: 1, Mod: 3}, 1)
	entries = appendEntry(entries, &Entry{Key: "log/heads/y", Deleted: true, Mod: 9}, 3)
	for _, magic := range []string{magicJournal, magicRoot, magicPart} {
		b, err := seal(magic, map[string]any{"version": version, "era": "e"}, entries)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		readObject(t, b)
		if len(b) >= 4 {
			b = bytes.Clone(b)
			binary.BigEndian.PutUint32(b[len(b)-4:], checksum(b[:len(b)-4]))
			readObject(t, b)
		}
	})
}

func readObject(t *testing.T, b []byte) {
	for _, magic := range []string{magicJournal, magicRoot, magicPart} {
		var header map[string]any
		entries, err := open(magic, b, &header)
		if err != nil {
			continue
		}
		again(t, entries)
	}
}

// FuzzEntries feeds any bytes as entries, without the packing around them.
func FuzzEntries(f *testing.F) {
	f.Add(appendEntry(nil, &Entry{Key: "a", Value: []byte("b"), Create: 2, Mod: 5}, 0))
	f.Add([]byte{1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 0})
	f.Fuzz(again)
}

// again reads entries, writes what was read, and reads the same from that.
func again(t *testing.T, b []byte) {
	var all []Entry
	if readEntries(b, func(e Entry) error { all = append(all, e); return nil }) != nil {
		return
	}
	var out []byte
	for i := range all {
		before := coordination.Revision(0)
		if i > 0 {
			before = all[i-1].Mod
		}
		out = appendEntry(out, &all[i], before)
	}
	i := 0
	err := readEntries(out, func(e Entry) error {
		w := all[i]
		if e.Key != w.Key || !bytes.Equal(e.Value, w.Value) || e.Mod != w.Mod || e.Create != w.Create || e.Deleted != w.Deleted {
			t.Fatalf("entry %d is %+v, and was %+v", i, e, w)
		}
		i++
		return nil
	})
	if err != nil || i != len(all) {
		t.Fatalf("%d of %d entries, %v", i, len(all), err)
	}
}
