package sim

import (
	"sort"

	"github.com/firnlog/firnlog/core/record"
)

// Acked: a client was told that its batch is at base.
func (j *Judge) Acked(uid int64, base record.Offset) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.counts.Acks++
	s := j.sent[uid]
	if !s.appended || s.base != base {
		j.bad("acknowledged offset", nameOf(s.Partition), "uid %d of %v acknowledged at %d; it is at %d (appended %v)", uid, s.Partition, base, s.base, s.appended)
		return
	}
	p := j.log(s.Partition)
	p.acked = max(p.acked, base+record.Offset(s.Records))
}

// ToldCorrupt: a client was told that its batch was damaged on its way.
func (j *Judge) ToldCorrupt(uid int64, was bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if s := j.sent[uid]; !was {
		j.bad("innocent batch refused", nameOf(s.Partition), "uid %d of %v is told to be corrupt; another one of its request was", uid, s.Partition)
	}
}

// ToldOld: a client was told that its batch was appended long ago.
func (j *Judge) ToldOld(uid int64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if s := j.sent[uid]; !s.appended {
		j.bad("locked out", nameOf(s.Partition), "uid %d of %v told to be old, but never appended", uid, s.Partition)
	}
}

// ToldUnknown: a client was told that a partition does not exist.
func (j *Judge) ToldUnknown(tp record.TopicPartition) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.has(tp) {
		j.bad("unknown though it is there", nameOf(tp), "%v", tp)
	}
}

// ToldOutOfTurn: the oldest unacknowledged batch of a client, all before it acknowledged
// when it was sent, was refused for its sequence. Only one whose producer was forgotten may be.
func (j *Judge) ToldOutOfTurn(uid int64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	s := j.sent[uid]
	m := j.log(s.Partition).producers[s.Producer]
	if m != nil && j.has(s.Partition) && !s.appended && m.epoch == s.Epoch && m.next == s.Sequence {
		j.bad("locked out", nameOf(s.Partition), "uid %d (producer %d, sequence %d) of %v refused though it is its turn", uid, s.Producer, s.Sequence, s.Partition)
	}
}

// Acknowledged are the ends of a partition as somebody has been told: after DeleteRecords, and of
// acknowledged batches.
func (j *Judge) Acknowledged(tp record.TopicPartition) (start, end record.Offset) {
	j.mu.Lock()
	defer j.mu.Unlock()
	p := j.log(tp)
	return p.start, p.acked
}

// Ends: bounds that a client was given, and what had been acknowledged when it asked.
func (j *Judge) Ends(who string, tp record.TopicPartition, start, end, told, acked record.Offset) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if !j.has(tp) {
		return
	}
	if p := j.log(tp); end < acked || end > p.next || start > end || start < told {
		j.bad("read after acknowledge", nameOf(tp), "%s says %v is %d to %d; before, %d to %d were acknowledged, there are %d", who, tp, start, end, told, acked, p.next)
	}
}

// FoundAtTime: the first record from the log start on whose timestamp is at least ms; -1: none.
// A batch's uid is the timestamp of its records.
func (j *Judge) FoundAtTime(who string, tp record.TopicPartition, ms int64, found, acked record.Offset) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if !j.has(tp) {
		return
	}
	start := j.shipped.Partition(tp).LogStart()
	for _, s := range j.log(tp).batches {
		if s.isGone() {
			continue
		}
		end := s.base + record.Offset(s.Records)
		switch {
		case found >= s.base && found < end && s.UID < ms, found >= end && s.base >= start && s.UID >= ms, found < 0 && s.base >= start && end <= acked && s.UID >= ms:
			j.bad("offset by time", nameOf(tp), "%s: %v from time %d is at %d, but uid %d is at %d; log start %d", who, tp, ms, found, s.UID, s.base, start)
			return
		}
	}
}

// ToldFenced: a client was told that its epoch is over.
func (j *Judge) ToldFenced(uid int64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	s := j.sent[uid]
	if s.Transaction != nil {
		return // its transactional id knows of epochs that the partition does not
	}
	if m := j.log(s.Partition).producers[s.Producer]; m != nil && m.epoch <= s.Epoch && j.has(s.Partition) {
		j.bad("fenced without cause", nameOf(s.Partition), "uid %d of producer %d, epoch %d, where epoch %d is known", uid, s.Producer, s.Epoch, m.epoch)
	}
}

// Empty: a fetch gave nothing and no error.
func (j *Judge) Empty(who string, tp record.TopicPartition, from, acked record.Offset) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.has(tp) && from < acked {
		j.bad("read after acknowledge", nameOf(tp), "%s has nothing of %v at %d; acknowledged were %d", who, tp, from, acked)
	}
}

// OutOfRange: a fetch was told that its offset is out of range; it gives where to go on.
func (j *Judge) OutOfRange(who string, tp record.TopicPartition, from record.Offset) record.Offset {
	j.mu.Lock()
	defer j.mu.Unlock()
	if !j.has(tp) {
		return 0
	}
	start := j.shipped.Partition(tp).LogStart()
	if next := j.log(tp).next; from >= start && from <= next {
		j.bad("out of range though it is there", nameOf(tp), "%s: %v at %d of %d to %d", who, tp, from, start, next)
	}
	return start
}

// Storage: bytes could not be read.
func (j *Judge) Storage(who string, tp record.TopicPartition, from record.Offset, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.has(tp) && from >= j.shipped.Partition(tp).LogStart() {
		j.bad("bytes lost", nameOf(tp), "%s: %v at %d: %v", who, tp, from, err)
	}
}

// Read checks what a fetch from an offset gave, and says where to go on.
func (j *Judge) Read(who string, tp record.TopicPartition, from record.Offset, body []byte) record.Offset {
	j.mu.Lock()
	defer j.mu.Unlock()
	p := j.log(tp)
	first := true
	for b, err := range record.Batches(body) {
		if err != nil {
			j.bad("bytes", nameOf(tp), "%s: %v at %d: %v", who, tp, from, err)
			return from
		}
		h, err := record.Check(b)
		k := sort.Search(len(p.batches), func(k int) bool { return p.batches[k].base > h.BaseOffset }) - 1
		if err != nil || k < 0 || p.batches[k].base != h.BaseOffset || p.batches[k].CRC != h.CRC && !j.cleaned(p.batches[k], b, h) {
			j.bad("read", nameOf(tp), "%s: batch at %d of %v is not what was appended there (uid %d, %v)", who, h.BaseOffset, tp, h.FirstTimestamp, err)
			return from
		}
		next := h.LastOffset() + 1
		if h.BaseOffset > from && !p.hasGap(from, h.BaseOffset) || first && next <= from || !first && h.BaseOffset < from {
			j.bad("read", nameOf(tp), "%s: batch %d to %d of %v after %d: a gap or a repetition", who, h.BaseOffset, next, tp, from)
			return from
		}
		first, from = false, next
		j.counts.Reads++
	}
	return from
}

// cleaned says that a batch is what log compaction has left of another: it may lack what no head names any more.
func (j *Judge) cleaned(s *Sent, b []byte, h record.Header) bool {
	if policy := j.policies[s.Partition.Topic]; policy == nil || !policy.compacted {
		return false
	}
	left, err := s.left(b, h)
	return err == nil && (left|s.gone) == 1<<s.Records-1
}

// hasGap says that nothing is left between two offsets.
func (p *partitionLog) hasGap(from, to record.Offset) bool {
	at := p.from(from)
	if at > 0 && p.batches[at-1].base+record.Offset(p.batches[at-1].Records) > from {
		at-- // from is within it
	}
	for _, s := range p.batches[at:p.from(to)] {
		if !s.isGone() {
			return false
		}
	}
	return true
}

// ReadAll: a partition was read from its log start to its end.
func (j *Judge) ReadAll(who string, tp record.TopicPartition, start, end record.Offset) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if p := j.log(tp); j.has(tp) && (end != p.next || start != j.shipped.Partition(tp).LogStart()) {
		j.bad("acknowledged lost", nameOf(tp), "%s could read %v from %d to %d, appended were %d", who, tp, start, end, p.next)
	}
}

// Stuck: something did not come to an end after all faults healed.
func (j *Judge) Stuck(what string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.bad("stuck after faults healed", "", "%s", what)
}

// leftMax is how much what goes on in the end may leave.
const leftMax = 3

// AtRest: what must have been cleaned up some time after faults healed.
func (j *Judge) AtRest(keys int, key string, orphans int, orphan string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if keys > leftMax {
		j.bad("commits never trimmed", key, "%d are left; floor %d, stamp %d", keys, j.floor, j.stamp)
	}
	if orphans > leftMax {
		j.bad("orphans never swept", orphan, "%d are left; floor %d, stamp %d", orphans, j.floor, j.stamp)
	}
}

// ToldCreated: an admin was told that a topic was made.
func (j *Judge) ToldCreated(id record.TopicID) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if !j.existed[id] {
		j.bad("topic admin", "", "topic %v said to be created never was", id)
	}
}

// ToldDeleted: an admin was told that a topic is gone.
func (j *Judge) ToldDeleted(id record.TopicID) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if _, alive := j.alive[id]; alive {
		j.bad("topic admin", "", "topic %v said to be deleted is there", id)
	}
}

// RecordsDeleted: DeleteRecords has said that start is the log start now.
func (j *Judge) RecordsDeleted(tp record.TopicPartition, before, start record.Offset) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if real := j.shipped.Partition(tp).LogStart(); j.has(tp) && (start < before || real < start) {
		j.bad("records deleted", nameOf(tp), "%v before %d: told %d, it is %d", tp, before, start, real)
	}
	p := j.log(tp)
	p.start = max(p.start, start)
}
