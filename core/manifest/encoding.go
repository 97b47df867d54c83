package manifest

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/segment"
)

const (
	rootMagic = "FIRNROOT"
	pageMagic = "FIRNPAGE"
	version   = 1

	pageRefMin = 21 // least bytes of each in the encoding: claimed counts are held against them
	entryMin   = 25
	abortedMin = 3
)

// Encode gives the root's object.
func (r *Root) Encode() []byte {
	b := begin(rootMagic, len(r.Pages)*40+len(r.Entries)*280)
	b = binary.AppendUvarint(b, uint64(r.Base()))
	b = binary.AppendUvarint(b, uint64(len(r.Pages)))
	stamp := int64(0)
	for i := range r.Pages {
		p := &r.Pages[i]
		b = appendOwner(append(b, p.ID[:]...), p.Owner)
		b = appendNumbers(b, int64(p.End-p.Base), p.Bytes, p.Objects)
		b = binary.AppendVarint(b, p.MaxTimestamp-stamp)
		stamp = p.MaxTimestamp
	}
	b = appendEntries(b, r.Entries)
	b = binary.AppendUvarint(b, uint64(len(r.Aborted)))
	for _, a := range r.Aborted {
		b = appendNumbers(b, int64(a.Producer), int64(a.First), int64(a.Last-a.First))
	}
	c := r.Compaction
	b = appendNumbers(b, int64(c.Clean), int64(c.Through-c.Clean), int64(c.Done))
	return seal(b)
}

// EncodePage gives a page's object.
func EncodePage(entries []Entry) []byte {
	b := begin(pageMagic, len(entries)*280)
	base := record.Offset(0)
	if len(entries) > 0 {
		base = entries[0].Base
	}
	return seal(appendEntries(binary.AppendUvarint(b, uint64(base)), entries))
}

func begin(magic string, hint int) []byte {
	return append(append(make([]byte, 0, hint+64), magic...), version)
}

func seal(b []byte) []byte { return binary.BigEndian.AppendUint32(b, checksum(b)) }

func checksum(b []byte) uint32 { return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) }

func appendNumbers(b []byte, numbers ...int64) []byte {
	for _, v := range numbers {
		b = binary.AppendUvarint(b, uint64(v))
	}
	return b
}

func appendOwner(b []byte, tp record.TopicPartition) []byte {
	if tp == (record.TopicPartition{}) {
		return append(b, 0)
	}
	return binary.AppendUvarint(append(append(b, 1), tp.Topic[:]...), uint64(tp.Partition))
}

func appendEntries(b []byte, entries []Entry) []byte {
	b = binary.AppendUvarint(b, uint64(len(entries)))
	stamp := int64(0)
	for i := range entries {
		e := &entries[i]
		b = append(b, byte(e.Place), e.Tier)
		b = appendOwner(append(b, e.Segment[:]...), e.Owner)
		b = appendNumbers(b, e.Position, e.Length, int64(e.End-e.Base))
		b = binary.AppendVarint(b, e.MaxTimestamp-stamp)
		b = segment.AppendBlocks(b, e.Blocks, e.Base, e.MaxTimestamp)
		b = binary.AppendUvarint(b, uint64(len(e.Aborted)))
		for _, a := range e.Aborted {
			b = binary.AppendUvarint(b, uint64(a.Producer))
			b = binary.AppendVarint(b, int64(a.First-e.Base))
			b = binary.AppendUvarint(b, uint64(a.Last-a.First))
		}
		stamp = e.MaxTimestamp
	}
	return b
}

// Decode reads a root's object. Errors: ErrCorrupt, ErrVersion.
func Decode(object []byte) (*Root, error) {
	r, err := open(object, rootMagic)
	if err != nil {
		return nil, fmt.Errorf("decode manifest root: %w", err)
	}
	root := &Root{}
	at := record.Offset(r.number(0))
	if n := r.count(pageRefMin); n > 0 {
		root.Pages = make([]PageRef, n)
	}
	stamp := int64(0)
	for i := range root.Pages {
		p := &root.Pages[i]
		p.ID, p.Owner, p.Base = r.id(), r.owner(), at
		p.End, p.Bytes, p.Objects = r.end(at), r.number(0), r.number(1)
		p.MaxTimestamp = stamp + r.signed()
		at, stamp = p.End, p.MaxTimestamp
	}
	root.Entries = r.entries(at)
	if n := r.count(abortedMin); n > 0 {
		root.Aborted = make([]ledger.Aborted, n)
	}
	for i := range root.Aborted {
		a := &root.Aborted[i]
		a.Producer, a.First = record.ProducerID(r.number(0)), record.Offset(r.number(0))
		a.Last = r.after(a.First)
	}
	c := &root.Compaction
	c.Clean = record.Offset(r.number(0))
	c.Through, c.Done = r.after(c.Clean), record.Offset(r.number(0))
	if err := r.done(); err != nil {
		return nil, fmt.Errorf("decode manifest root: %w", err)
	}
	return root, nil
}

// DecodePage reads a page's object. Errors: ErrCorrupt, ErrVersion.
func DecodePage(object []byte) ([]Entry, error) {
	r, err := open(object, pageMagic)
	if err != nil {
		return nil, fmt.Errorf("decode manifest page: %w", err)
	}
	entries := r.entries(record.Offset(r.number(0)))
	if err := r.done(); err != nil {
		return nil, fmt.Errorf("decode manifest page: %w", err)
	}
	return entries, nil
}
