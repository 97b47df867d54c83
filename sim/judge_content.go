package sim

import (
	"fmt"
	"hash/crc32"
	"math"
	"sort"
	"time"

	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/topic"
)

// What log compaction may take from a partition, by the judge's own count of records. A record that is gone from what a head names is
// gone for good: readers may miss just such records, and no later head may name it again.
//
// From the log start on, that is. A swap replaces a stretch as it was read; of references that have fallen wholly below the log start since
// it does not ask whether log compaction came between, so that their offsets, with what was gone, lie again before what is
// still read of the new object. Nobody is given them, and a log start only grows.

// content is one record of a batch.
type content struct {
	key       string
	sum       uint32 // of its value
	tombstone bool
}

func contentOf(key, value []byte) content {
	return content{string(key), crc32.ChecksumIEEE(value), value == nil}
}

// policies are what a topic's configs allow, and have ever allowed: a walk may have begun under those before.
type policies struct {
	*ledger.Topic
	compacted bool          // ever
	lag       time.Duration // min.compaction.lag.ms, the least ever
	tombs     time.Duration // delete.retention.ms, the least ever
}

// policy notes the configs of a topic.
func (j *Judge) policy(t *ledger.Topic) {
	lag, _ := topic.CompactionLag(t)
	now := &policies{t, topic.IsCompacted(t), lag, topic.TombstoneRetention(t)}
	if old := j.policies[t.ID]; old != nil {
		now.compacted = now.compacted || old.compacted
		now.lag, now.tombs = min(now.lag, old.lag), min(now.tombs, old.tombs)
	}
	j.policies[t.ID] = now
}

// Clock tells how wrong the clock of an instance is, so that the judge knows the furthest ones.
func (j *Judge) Clock(skew time.Duration) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.fastest, j.slowest = max(j.fastest, skew), min(j.slowest, skew)
}

// latest is the time, in ms, that no clock is or was ahead of.
func (j *Judge) latest() int64 { return time.Now().Add(j.fastest).UnixMilli() }

// young is the timestamp from which on records are too young to be compacted, and to be a reason for it.
func (j *Judge) young(p *policies) int64 {
	if p.lag == 0 {
		return math.MaxInt64
	}
	return j.latest() - p.lag.Milliseconds()
}

// from is the place of the first batch at or above an offset.
func (p *partitionLog) from(at record.Offset) int {
	return sort.Search(len(p.batches), func(k int) bool { return p.batches[k].base >= at })
}

// isGone says that nothing is left of a batch.
func (s *Sent) isGone() bool { return s.gone == 1<<s.Records-1 }

// present compares a batch that a head names with what was appended.
func (j *Judge) present(p *partitionLog, at int, b []byte, h record.Header) error {
	s := p.batches[at]
	if h.CRC == s.CRC {
		if s.gone != 0 && !p.isOver(s) {
			return fmt.Errorf("the batch at %d is whole again", s.base)
		}
		return nil
	}
	left, err := s.left(b, h)
	if err != nil {
		return err
	}
	if horizon, ok := h.DeleteHorizon(); ok {
		if earliest := s.at.Add(j.slowest + j.policies[s.Partition.Topic].tombs).UnixMilli(); s.horizon == 0 && horizon < earliest {
			return fmt.Errorf("tombstones of the batch at %d may go at %d, not before %d", s.base, horizon, earliest)
		}
		s.horizon = horizon
	}
	if back := left & s.gone; back != 0 && !p.isOver(s) {
		return fmt.Errorf("records %b of the batch at %d are there again", back, s.base)
	}
	return j.drop(p, at, ^left|s.gone)
}

// isOver says that the log begins behind a batch.
func (p *partitionLog) isOver(s *Sent) bool { return s.base+record.Offset(s.Records) <= p.begin }

// left says which records of a batch a cleaned one still has, a bit each. All that is left is as it was.
func (s *Sent) left(b []byte, h record.Header) (left uint8, err error) {
	if h.LastOffset()-h.BaseOffset+1 != record.Offset(s.Records) || h.Producer != s.Producer || h.MaxTimestamp != s.UID && !s.isMarker() {
		return 0, fmt.Errorf("the batch at %d is another one (producer %d, time %d)", h.BaseOffset, h.Producer, h.MaxTimestamp)
	}
	for r, err := range record.Records(b, 1<<20) {
		if err != nil {
			return 0, err
		}
		left |= 1 << r.OffsetDelta
		if s.isMarker() {
			continue
		}
		if k := int(r.OffsetDelta); k >= len(s.contents) || s.contents[k] != contentOf(r.Key, r.Value) || h.TimestampOf(r) != s.UID {
			return 0, fmt.Errorf("record %d of the batch at %d is not as it was appended", r.OffsetDelta, h.BaseOffset)
		}
	}
	return left, nil
}

func (s *Sent) isMarker() bool { return s.UID < 0 }

// missing: nothing of a batch is named.
func (j *Judge) missing(p *partitionLog, at int) error {
	s := p.batches[at]
	if !s.isMarker() || s.gone != 0 {
		return j.drop(p, at, 1<<s.Records-1)
	}
	for _, part := range s.parts {
		if !part.isGone() && part.base >= p.begin {
			return fmt.Errorf("the marker at %d is gone, the batch at %d of its transaction is not", s.base, part.base)
		}
	}
	if s.horizon == 0 || s.horizon > j.latest() {
		return fmt.Errorf("the marker at %d is gone before its time, %d", s.base, s.horizon)
	}
	s.gone = 1
	return nil
}

// drop notes which records are gone, after it has asked whether they may.
func (j *Judge) drop(p *partitionLog, at int, gone uint8) error {
	s := p.batches[at]
	for k := range s.contents {
		if bit := uint8(1 << k); gone&bit != 0 && s.gone&bit == 0 {
			if err := j.may(p, at, k); err != nil {
				return err
			}
			s.gone |= bit
			j.counts.Compacted++
		}
	}
	if gone&(1<<s.Records-1) != s.gone {
		return fmt.Errorf("of the batch at %d went %b, known are %b", s.base, gone&(1<<s.Records-1), s.gone)
	}
	return nil
}

// may says whether log compaction may take a record: it was aborted, there is a later one of its key, or it is a
// tombstone whose time is over and before which nothing of its key is left.
func (j *Judge) may(p *partitionLog, at, k int) error {
	s, policy := p.batches[at], j.policies[p.tp.Topic]
	c := s.contents[k]
	switch {
	case s.Transaction != nil && s.fate == undecided:
		return fmt.Errorf("record %d of the batch at %d is gone while its transaction is open", k, s.base)
	case s.fate == aborted, p.hasLater(at, k, j.young(policy)):
		return nil
	case !c.tombstone:
		return fmt.Errorf("record %d of the batch at %d is gone, the last of %q", k, s.base, c.key)
	case s.horizon == 0 || s.horizon > j.latest():
		return fmt.Errorf("the tombstone of %q at %d is gone before its time, %d", c.key, s.base, s.horizon)
	}
	for i := at - 1; i >= 0 && p.batches[i].base >= p.begin; i-- {
		for n, old := range p.batches[i].contents {
			if o := p.batches[i]; old.key == c.key && o.gone&(1<<n) == 0 && o.fate != aborted {
				return fmt.Errorf("the tombstone of %q at %d is gone, its record at %d is not", c.key, s.base, o.base)
			}
		}
	}
	return nil
}

// hasLater says that a key has a later record that counts, and that is not younger than young.
func (p *partitionLog) hasLater(at, k int, young int64) bool {
	s := p.batches[at]
	for n := k + 1; n < len(s.contents); n++ {
		if s.contents[n].key == s.contents[k].key && s.UID <= young {
			return true
		}
	}
	for _, o := range p.batches[at+1:] {
		if o.UID > young || o.Transaction != nil && o.fate != committed {
			continue
		}
		for n := range o.contents {
			if o.contents[n].key == s.contents[k].key {
				return true
			}
		}
	}
	return false
}
