package backup

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/klauspost/compress/zstd"

	"github.com/firnlog/firnlog/coordination"
)

// Errors, asked for with errors.Is.
var (
	// ErrCorrupt: the bytes are not those of a whole, undamaged object.
	ErrCorrupt = errors.New("corrupt backup object")
	// ErrVersion: an object of a format that this build does not know.
	ErrVersion = errors.New("unknown version of a backup object")
	// ErrPast: etcd is behind what was journaled of this era: it was put back to an earlier state.
	ErrPast = errors.New("etcd is in the past")
)

const (
	magicJournal = "FIRNJNL1"
	magicRoot    = "FIRNBKP1"
	magicPart    = "FIRNBPT1"
	magicSize    = 8

	version = 1

	// unpackedMax bounds what one object may unpack to: a part and the largest value of etcd.
	unpackedMax = 64 << 20
)

// Entry is one key as it was at a revision, or a change of it.
type Entry struct {
	// Key is relative to the cluster's root, so that a cluster may be restored under another prefix.
	Key   string
	Value []byte
	// Create and Mod are as in etcd; of a journal's entries Mod is the revision of the change.
	Create, Mod coordination.Revision
	Deleted     bool
}

const (
	entryDeleted = 1
	entryCreated = 2 // Create is Mod
)

func appendEntry(b []byte, e *Entry, before coordination.Revision) []byte {
	flags := byte(0)
	if e.Deleted {
		flags = entryDeleted
	} else if e.Create == e.Mod {
		flags = entryCreated
	}
	b = append(b, flags)
	b = binary.AppendVarint(b, int64(e.Mod-before))
	if flags == 0 {
		b = binary.AppendUvarint(b, uint64(e.Create))
	}
	b = binary.AppendUvarint(b, uint64(len(e.Key)))
	b = append(b, e.Key...)
	b = binary.AppendUvarint(b, uint64(len(e.Value)))
	return append(b, e.Value...)
}

// readEntries calls fn for each entry, in order.
func readEntries(b []byte, fn func(Entry) error) error {
	r := reader{b: b}
	last := coordination.Revision(0)
	for len(r.b) > 0 {
		flags := r.take(1)
		e := Entry{Mod: last + coordination.Revision(r.varint())}
		last = e.Mod
		if r.bad || flags[0] > entryCreated {
			return fmt.Errorf("read entry: %w", ErrCorrupt)
		}
		switch flags[0] {
		case entryDeleted:
			e.Deleted = true
		case entryCreated:
			e.Create = e.Mod
		default:
			e.Create = coordination.Revision(r.uvarint())
		}
		e.Key = string(r.take(r.uvarint()))
		e.Value = r.take(r.uvarint())
		if r.bad {
			return fmt.Errorf("read entry: %w", ErrCorrupt)
		}
		if err := fn(e); err != nil {
			return err
		}
	}
	return nil
}

// reader takes entries apart; after the first mistake bad is set.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) take(n uint64) []byte {
	if n > uint64(len(r.b)) {
		r.b, r.bad = nil, true
		return []byte{0}
	}
	out := r.b[:n:n]
	r.b = r.b[n:]
	return out
}

func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.b)
	return uint64(r.skip(int64(v), n))
}

func (r *reader) varint() int64 {
	v, n := binary.Varint(r.b)
	return r.skip(v, n)
}

func (r *reader) skip(v int64, n int) int64 {
	if n <= 0 {
		r.b, r.bad = nil, true
		return 0
	}
	r.b = r.b[n:]
	return v
}

// seal makes an object.
func seal(magic string, header any, entries []byte) ([]byte, error) {
	h, err := json.Marshal(header)
	if err != nil {
		return nil, fmt.Errorf("seal %s: %w", magic, err)
	}
	w, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	if err != nil {
		return nil, fmt.Errorf("seal %s: %w", magic, err)
	}
	defer func() { _ = w.Close() }() // EncodeAll leaves nothing to write
	b := append(make([]byte, 0, magicSize+8+len(h)+len(entries)/4), magic...)
	b = binary.BigEndian.AppendUint32(b, uint32(len(h)))
	b = append(b, h...)
	b = w.EncodeAll(entries, b)
	return binary.BigEndian.AppendUint32(b, checksum(b)), nil
}

// open checks an object, reads its header, and gives its entries unpacked.
func open(magic string, b []byte, header any) ([]byte, error) {
	end := len(b) - 4
	if end < magicSize+4 || string(b[:magicSize]) != magic {
		return nil, fmt.Errorf("open %s: %w", magic, ErrCorrupt)
	}
	if binary.BigEndian.Uint32(b[end:]) != checksum(b[:end]) {
		return nil, fmt.Errorf("open %s: checksum differs: %w", magic, ErrCorrupt)
	}
	length := int(binary.BigEndian.Uint32(b[magicSize:]))
	body := b[magicSize+4 : end]
	if length > len(body) {
		return nil, fmt.Errorf("open %s: header of %d bytes: %w", magic, length, ErrCorrupt)
	}
	var v struct {
		Version int `json:"version"`
	}
	if err := json.Unmarshal(body[:length], &v); err != nil {
		return nil, fmt.Errorf("open %s: %w: %w", magic, ErrCorrupt, err)
	}
	if v.Version != version {
		return nil, fmt.Errorf("open %s: version %d: %w", magic, v.Version, ErrVersion)
	}
	if err := json.Unmarshal(body[:length], header); err != nil {
		return nil, fmt.Errorf("open %s: %w: %w", magic, ErrCorrupt, err)
	}
	r, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(unpackedMax))
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", magic, err)
	}
	defer r.Close()
	entries, err := r.DecodeAll(body[length:], nil)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w: %w", magic, ErrCorrupt, err)
	}
	return entries, nil
}

func checksum(b []byte) uint32 { return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) }
