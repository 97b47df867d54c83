package compact

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"time"

	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/rule"
)

// errProof: what was written is not what was chosen. Nothing refers to it.
var errProof = errors.New("compacted batch does not hold the records that were chosen")

// chooser decides what is left of each batch, in Kafka's way:
//
//   - of each key the last record up to through; all records from there on, since later keys are not known yet;
//   - no record without key (a topic that became compacted later has them), and no aborted record;
//   - a record without value (tombstone) until the delete horizon of its batch, which is set when it is first
//     compacted: now + delete.retention.ms;
//   - a marker until the delete horizon that it gets when nothing is left of its transaction;
//   - the last batch of all, empty if need be, so that a reader still gets to the end of the log.
//
// Kafka also keeps the last batch of each producer, from which it rebuilds the sequence state. Here heads hold that.
type chooser struct {
	keys     *offsets
	through  record.Offset // keys holds what lies below
	end      record.Offset // of the last batch of all
	txns     *transactions
	now      int64 // ms
	horizon  int64 // ms: for tombstones and markers that have none
	encoders *record.Encoders
	dropped  int64 // records
}

// batch gives what is left of a batch, nil for nothing: b itself, or another one that was checked to hold what was chosen.
func (c *chooser) batch(b []byte) ([]byte, error) {
	h, err := record.ReadHeader(b)
	if err != nil {
		return nil, err
	}
	last := h.LastOffset()+1 == c.end
	if h.IsControl() {
		return c.marker(b, h, last)
	}
	aborted := c.txns.data(h)
	if aborted && !last {
		c.dropped += int64(h.Records)
		return nil, nil
	}
	var chosen proof
	out, err := record.Clean(b, record.Cleaning{
		Keep: func(r record.Record) bool {
			keep := !aborted && c.keeps(h, r)
			if keep {
				chosen.add(h, r)
			}
			return keep
		},
		Horizon: c.horizon, DecompressedMax: record.DecompressedBytesMax, Encoders: c.encoders,
	})
	if err != nil {
		return nil, fmt.Errorf("compact batch at offset %d: %w", h.BaseOffset, err)
	}
	c.dropped += int64(h.Records) - int64(out.Kept)
	if out.Kept == 0 && !last {
		return nil, nil
	}
	if !out.Changed {
		return b, nil
	}
	return out.Batch, prove(h, out.Batch, &chosen)
}

// keeps says whether a record that was not aborted stays.
func (c *chooser) keeps(h record.Header, r record.Record) bool {
	at := h.OffsetOf(r)
	if at >= c.through {
		return true
	}
	if last := c.keys.last(r.Key); r.Key == nil || last > at || last == at && !rule.On(rule.CompactKeepsLast) {
		return false
	}
	horizon, set := h.DeleteHorizon()
	return r.Value != nil || rule.On(rule.TombstonesWait) && (!set || c.now < horizon)
}

func (c *chooser) marker(b []byte, h record.Header, last bool) ([]byte, error) {
	if !c.txns.marker(h) || last {
		return b, nil
	}
	if horizon, set := h.DeleteHorizon(); set && horizon <= c.now {
		return nil, nil
	}
	var chosen proof
	out, err := record.Clean(b, record.Cleaning{
		Keep:    func(r record.Record) bool { chosen.add(h, r); return true },
		Horizon: c.horizon, Always: true, DecompressedMax: record.DecompressedBytesMax, Encoders: c.encoders,
	})
	if err != nil {
		return nil, fmt.Errorf("compact marker at offset %d: %w", h.BaseOffset, err)
	}
	if !out.Changed {
		return b, nil
	}
	return out.Batch, prove(h, out.Batch, &chosen)
}

// proof sums up records: which ones, where, and when they were written.
type proof struct {
	records int
	sum     uint32
}

func (p *proof) add(h record.Header, r record.Record) {
	table := crc32.MakeTable(crc32.Castagnoli)
	var b [40]byte
	binary.BigEndian.PutUint64(b[:], uint64(h.OffsetOf(r)))
	binary.BigEndian.PutUint64(b[8:], uint64(h.TimestampOf(r)))
	for i, n := range []int{lengthOf(r.Key), lengthOf(r.Value), len(r.Headers)} {
		binary.BigEndian.PutUint64(b[16+8*i:], uint64(n))
	}
	p.sum = crc32.Update(p.sum, table, b[:])
	p.sum = crc32.Update(crc32.Update(p.sum, table, r.Key), table, r.Value)
	for _, header := range r.Headers {
		p.sum = crc32.Update(crc32.Update(p.sum, table, []byte(header.Key)), table, header.Value)
	}
	p.records++
}

// lengthOf tells null from empty.
func lengthOf(b []byte) int {
	if b == nil {
		return -1
	}
	return len(b)
}

// prove checks a batch that was made anew: sound, with the same offsets and producer as the one it was made of, and with
// exactly the records that were chosen.
func prove(was record.Header, b []byte, chosen *proof) error {
	h, err := record.Check(b)
	if err != nil {
		return fmt.Errorf("batch at offset %d: %w: %w", was.BaseOffset, errProof, err)
	}
	var found proof
	for r, err := range record.Records(b, record.DecompressedBytesMax) {
		if err != nil {
			return fmt.Errorf("batch at offset %d: %w: %w", was.BaseOffset, errProof, err)
		}
		found.add(h, r)
	}
	if found != *chosen || h.BaseOffset != was.BaseOffset || h.LastOffset() != was.LastOffset() || h.Producer != was.Producer ||
		h.Epoch != was.Epoch || h.LastSequence() != was.LastSequence() || h.IsControl() != was.IsControl() || h.IsTransactional() != was.IsTransactional() {
		return fmt.Errorf("batch at offset %d: %d records for %d: %w", was.BaseOffset, found.records, chosen.records, errProof)
	}
	return nil
}

// horizonAt is when what is compacted now may go.
func horizonAt(now time.Time, retention time.Duration) int64 {
	ms := now.UnixMilli()
	if keep := retention.Milliseconds(); ms < 1<<62-keep {
		return ms + keep
	}
	return 1 << 62
}
