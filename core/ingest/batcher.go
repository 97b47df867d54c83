package ingest

import (
	"time"

	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/tracing"
)

// item is one accepted batch on its way.
type item struct {
	pending   *Pending
	index     int // in pending
	partition record.TopicPartition
	batch     []byte
	keeps     int64 // memory that batch is a part of, together with others of pending; 0: its own
	entry     ledger.Entry
	appendMs  int64 // LogAppendTime, or -1

	transaction string // of the request; the batch is of it where its entry has a serial
	implicit    bool
	arrived     time.Time
	at          tracing.Link // the span of its request; nil: it has none
	refused     error        // the transaction does not have it: left out of the commit

	// where the commit names it: set when the commit record is made
	run, slot int
	delta     record.Offset // records before it in its entry
}

// batcher gathers batches of all partitions into the next segment. It has no
// goroutine and no timer: who drives it asks Due and calls Take.
type batcher struct {
	segmentBytes int64
	commitBytes  int64
	items        []item
	bytes        int64
	due          time.Time
}

// Add takes a batch that may wait until due.
func (b *batcher) Add(it item, due time.Time) {
	if len(b.items) == 0 || due.Before(b.due) {
		b.due = due
	}
	b.items = append(b.items, it)
	b.bytes += int64(len(it.batch))
}

// Due says when the next segment should be taken; full means now.
func (b *batcher) Due() (at time.Time, full, any bool) {
	if len(b.items) == 0 {
		return time.Time{}, false, false
	}
	full = b.bytes >= b.segmentBytes || int64(len(b.items))*ledger.EntryBytesMax >= b.commitBytes
	return b.due, full, true
}

// Take gives the batches of one segment, in the order they came: all of them, or as
// many as one segment and one commit record may hold.
func (b *batcher) Take() []item {
	n, bytes := 0, int64(0)
	for n < len(b.items) && (n == 0 || bytes < b.segmentBytes && int64(n+1)*ledger.EntryBytesMax <= b.commitBytes) {
		bytes += int64(len(b.items[n].batch))
		n++
	}
	out := b.items[:n:n]
	b.bytes -= bytes
	b.items = append([]item(nil), b.items[n:]...)
	return out
}
