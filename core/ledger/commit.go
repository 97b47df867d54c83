package ledger

import (
	"encoding/binary"
	"fmt"

	"github.com/oklog/ulid/v2"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/rule"
)

// CommitBytesMax bounds an encoded commit; a flush closes before it would be passed.
const CommitBytesMax = 512 << 10

// Commit is the record that says: these segments exist and hold these runs. Its
// value in etcd, where n is an unsigned and z a signed varint:
//
//	version   1 byte, 1
//	segments  n, then each: id 16 bytes, size n
//	topics    n, then each: id 16 bytes
//	runs      n, then each: segment n, topic n (indexes), partition n, position n, entries n, then each:
//	            kind 1 byte (0 plain, 1 idempotent, 2 transactional), records n, bytes n, max timestamp z (difference to the entry before)
//	            idempotent and transactional: producer n, epoch n, first sequence n
//	            transactional: serial n
//	markers   n, then each: see appendMarker
//	expiries  n, then each: topic n (index), partition n, producer n, revision n
type Commit struct {
	Version  byte // of the record, where it is written; 0: FormatOldest
	Segments []SegmentRef
	Runs     []Run
	Markers  []Marker
	Expiries []Expiry
}

// SegmentRef names a segment that a commit brings into being. Size in bytes.
type SegmentRef struct {
	ID   ulid.ULID
	Size int64
}

// Run is the batches of one partition inside one segment: Position is where the
// first byte of the first entry stands, the others follow without a gap.
type Run struct {
	Segment   int // index into Segments
	Partition record.TopicPartition
	Position  int64
	Entries   []Entry
}

// Entry is one idempotent batch, or neighbours without producer id together.
type Entry struct {
	Records      int64
	Bytes        int64
	MaxTimestamp int64
	Producer     record.ProducerID // NoProducer: plain
	Epoch        record.Epoch
	Sequence     int32 // of the first record
	// Serial is the server's count of the transaction that the batch belongs to; 0: of none.
	Serial int64
}

// SerialUnknown stands for a serial that is not known yet, where a batch is only asked about.
const SerialUnknown int64 = -1

// Expiry forgets a producer if nothing touched it after Revision.
type Expiry struct {
	Partition record.TopicPartition
	Producer  record.ProducerID
	Revision  coordination.Revision
}

// Length is the number of bytes of all entries.
func (r *Run) Length() int64 {
	n := int64(0)
	for i := range r.Entries {
		n += r.Entries[i].Bytes
	}
	return n
}

// Partitions calls fn with every partition that the commit names, in order, some more than once.
func (c *Commit) Partitions(fn func(record.TopicPartition)) {
	for i := range c.Runs {
		fn(c.Runs[i].Partition)
	}
	for i := range c.Markers {
		for _, tp := range c.Markers[i].Partitions {
			fn(tp)
		}
	}
	for i := range c.Expiries {
		fn(c.Expiries[i].Partition)
	}
}

// Encode gives the value of the commit's key.
func (c *Commit) Encode() []byte {
	b := []byte{max(c.Version, FormatOldest)}
	b = binary.AppendUvarint(b, uint64(len(c.Segments)))
	for _, s := range c.Segments {
		b = append(b, s.ID[:]...)
		b = binary.AppendUvarint(b, uint64(s.Size))
	}
	var topics []record.TopicID
	index := map[record.TopicID]uint64{}
	c.Partitions(func(tp record.TopicPartition) {
		if _, ok := index[tp.Topic]; !ok {
			index[tp.Topic] = uint64(len(topics))
			topics = append(topics, tp.Topic)
		}
	})
	b = binary.AppendUvarint(b, uint64(len(topics)))
	for _, t := range topics {
		b = append(b, t[:]...)
	}
	b = binary.AppendUvarint(b, uint64(len(c.Runs)))
	stamp := int64(0)
	for i := range c.Runs {
		b, stamp = appendRun(b, &c.Runs[i], index, stamp)
	}
	b = binary.AppendUvarint(b, uint64(len(c.Markers)))
	for i := range c.Markers {
		b = appendMarker(b, &c.Markers[i], index)
	}
	b = binary.AppendUvarint(b, uint64(len(c.Expiries)))
	for _, e := range c.Expiries {
		b = binary.AppendUvarint(b, index[e.Partition.Topic])
		b = binary.AppendUvarint(b, uint64(e.Partition.Partition))
		b = binary.AppendUvarint(b, uint64(e.Producer))
		b = binary.AppendUvarint(b, uint64(e.Revision))
	}
	return b
}

func appendRun(b []byte, r *Run, index map[record.TopicID]uint64, stamp int64) ([]byte, int64) {
	b = binary.AppendUvarint(b, uint64(r.Segment))
	b = binary.AppendUvarint(b, index[r.Partition.Topic])
	b = binary.AppendUvarint(b, uint64(r.Partition.Partition))
	b = binary.AppendUvarint(b, uint64(r.Position))
	b = binary.AppendUvarint(b, uint64(len(r.Entries)))
	for _, e := range r.Entries {
		kind := kindOf(&e)
		b = append(b, kind)
		b = binary.AppendUvarint(b, uint64(e.Records))
		b = binary.AppendUvarint(b, uint64(e.Bytes))
		b = binary.AppendVarint(b, e.MaxTimestamp-stamp)
		stamp = e.MaxTimestamp
		if kind != kindPlain {
			b = binary.AppendUvarint(b, uint64(e.Producer))
			b = binary.AppendUvarint(b, uint64(e.Epoch))
			b = binary.AppendUvarint(b, uint64(e.Sequence))
		}
		if kind == kindTransactional {
			b = binary.AppendUvarint(b, uint64(e.Serial))
		}
	}
	return b, stamp
}

// Kinds of entries.
const (
	kindPlain byte = iota
	kindIdempotent
	kindTransactional
)

func kindOf(e *Entry) byte {
	switch {
	case e.Producer == record.NoProducer:
		return kindPlain
	case e.Serial > 0:
		return kindTransactional
	}
	return kindIdempotent
}

// EntryBytesMax is the most that one more entry, with a run and a topic of its own, adds to an encoded commit.
const EntryBytesMax = 16 + 5 + 5 + 5 + 10 + 5 + 1 + 10 + 10 + 10 + 10 + 3 + 5 + 9

// DecodeCommit reads the value of a commit's key. ErrFormat: its version is not known here.
func DecodeCommit(value []byte) (*Commit, error) {
	r := &reader{b: value}
	if v := r.byte(); r.err == nil && !knows(v) {
		return nil, fmt.Errorf("decode commit: version %d: %w", v, ErrFormat)
	}
	c := &Commit{}
	c.Segments = make([]SegmentRef, r.count(17))
	for i := range c.Segments {
		c.Segments[i] = SegmentRef{ID: r.id(), Size: r.int63()}
	}
	topics := make([]record.TopicID, r.count(16))
	for i := range topics {
		copy(topics[i][:], r.bytes(16))
	}
	c.Runs = make([]Run, r.count(5))
	stamp := int64(0)
	for i := range c.Runs {
		stamp = readRun(r, &c.Runs[i], topics, len(c.Segments), stamp)
	}
	c.Markers = readMarkers(r, topics)
	c.Expiries = make([]Expiry, r.count(4))
	for i := range c.Expiries {
		c.Expiries[i] = Expiry{readPartition(r, topics), record.ProducerID(r.int63()), coordination.Revision(r.int63())}
	}
	if err := r.end(); err != nil {
		return nil, fmt.Errorf("decode commit: %w", err)
	}
	return c, nil
}

func readPartition(r *reader, topics []record.TopicID) (tp record.TopicPartition) {
	if t := r.uint(); t < uint64(len(topics)) {
		tp.Topic = topics[t]
	} else {
		r.fail()
	}
	tp.Partition = r.int31()
	return tp
}

func readRun(r *reader, run *Run, topics []record.TopicID, segments int, stamp int64) int64 {
	run.Segment = int(r.int31())
	if run.Segment >= segments {
		r.fail()
	}
	run.Partition = readPartition(r, topics)
	run.Position = r.int63()
	run.Entries = make([]Entry, r.count(4))
	for i := range run.Entries {
		kind := r.byte()
		e := Entry{Records: r.int63(), Bytes: r.int63(), Producer: record.NoProducer}
		stamp += r.int()
		e.MaxTimestamp = stamp
		if kind == kindIdempotent || kind == kindTransactional {
			e.Producer = record.ProducerID(r.int63())
			e.Epoch = record.Epoch(r.int15())
			e.Sequence = r.int31()
		}
		if kind == kindTransactional {
			e.Serial = r.int63()
		}
		if kind > kindTransactional || kind == kindTransactional && e.Serial == 0 {
			r.fail()
		}
		if e.Records < 1 || e.Records > 1<<31 && kind != kindPlain || e.Bytes < 1 {
			r.fail()
		}
		run.Entries[i] = e
	}
	return stamp
}

// CommitGuards are the comparisons of every transaction that creates a commit key or refers to
// new ids: nothing it names is at or below the floor, the key is new, and the
// format is the one the writer folds by.
func CommitGuards(keys coordination.Keys, id ulid.ULID, smallest coordination.Mark, format []byte) []coordination.Guard {
	return []coordination.Guard{
		coordination.ValueBelow(keys.Floor(), smallest.Bytes()),
		coordination.Missing(keys.Commit(id)),
		coordination.ValueIs(keys.Format(), format),
	}
}

// foldsPerBatch is rule BatchOutcome, asked in one place.
func foldsPerBatch() bool { return rule.On(rule.BatchOutcome) }
