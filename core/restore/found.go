package restore

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/oklog/ulid/v2"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/segment"
	"github.com/firnlog/firnlog/objectstore"
)

// putBack commits segments that nothing refers to and that may have been committed after the last journaled revision, in the
// order of their ids.
//
//   - Which: those above the floor of that revision that no commit names. What the floor had passed was
//     committed by then, or never; what a commit names was decided by it.
//   - A batch without producer id is appended. One of an idempotent producer goes through the fold as ever: what is there already is a
//     duplicate, what does not follow is refused. Ids of one millisecond have no order, so refused batches are tried again
//     after all others, until nothing changes.
//   - A transactional batch stays out, and its bytes are a hole: whether its transaction was committed is not known.
//     Were it put back as aborted, only read_uncommitted would see it, and a transaction would be torn.
func (r *Restore) putBack(ctx context.Context) error {
	f := &finding{r: r, st: r.state, transactional: map[record.ProducerID]record.Epoch{}}
	referred := r.referred()
	var candidates []ulid.ULID
	for _, id := range r.bucket.segments {
		if coordination.MarkOf(id) > r.state.floor && !r.state.named[id] && !referred[id] {
			candidates = append(candidates, id)
		}
	}
	slices.SortFunc(candidates, ulid.ULID.Compare)
	for i, id := range candidates {
		r.Progress("segments put back", i+1, len(candidates))
		if err := f.segment(ctx, id); err != nil {
			return fmt.Errorf("put back segment %s: %w", id, err)
		}
	}
	if err := f.retry(); err != nil {
		return err
	}
	for _, w := range f.refused {
		r.Report.Refused += w.entry.Records
	}
	r.Report.transactional = f.transactional
	return nil
}

// referred lists the segments that heads name.
func (r *Restore) referred() map[ulid.ULID]bool {
	out := map[ulid.ULID]bool{}
	r.state.ledger.EachPartition(func(_ record.TopicPartition, p *ledger.Partition) {
		h := p.Head(0)
		for i := range h.Spans {
			if h.Spans[i].Place == ledger.InSegment && h.Spans[i].Inline == nil {
				out[h.Spans[i].Segment] = true
			}
		}
	})
	return out
}

// finding is what putBack does to a state.
type finding struct {
	r             *Restore
	st            *state
	refused       []waiting
	transactional map[record.ProducerID]record.Epoch // highest epoch of batches left out
}

// waiting is a batch that the fold has refused, perhaps because what it follows has not come yet.
type waiting struct {
	segment   ledger.SegmentRef
	partition record.TopicPartition
	position  int64
	entry     ledger.Entry
}

// segment commits one segment.
func (f *finding) segment(ctx context.Context, id ulid.ULID) error {
	object, err := f.r.Store.Get(ctx, ledger.SegmentKey(id), 0, -1)
	if errors.Is(err, objectstore.ErrNotFound) {
		return nil // swept between the listing and now: nothing referred to it
	}
	if err != nil {
		return fmt.Errorf("read: %w", err)
	}
	x, err := segment.Verify(object)
	if err != nil {
		f.r.Report.Unreadable = append(f.r.Report.Unreadable, ledger.SegmentKey(id))
		f.r.Log.Warn("segment passed over", "segment", id, "error", err)
		return nil
	}
	c := &ledger.Commit{Segments: []ledger.SegmentRef{{ID: id, Size: x.Size}}}
	for _, run := range x.Runs {
		ok, err := f.place(run)
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		runs, err := f.runs(run, object[run.Position:run.Position+run.Length])
		if err != nil {
			return err
		}
		c.Runs = append(c.Runs, runs...)
	}
	if len(c.Runs) == 0 {
		return nil
	}
	f.r.Report.Segments++
	_, err = f.commit(id, c)
	return err
}

// place says whether there is a partition for a run. A topic that has too few partitions gets more: they were made after the
// last journaled revision.
func (f *finding) place(run segment.Run) (bool, error) {
	t, ok := f.st.ledger.TopicByID(run.Topic)
	if !ok {
		if !f.st.deleted[run.Topic] {
			f.r.Report.unknown(run.Topic.String(), run.Records)
		}
		return false, nil
	}
	if run.Partition < t.Partitions {
		return true, nil
	}
	grown := *t
	grown.Partitions = run.Partition + 1
	f.r.Report.Grown = append(f.r.Report.Grown, fmt.Sprintf("%s: %d to %d partitions", t.Name, t.Partitions, grown.Partitions))
	rev := f.st.ledger.Revision() + 1
	event := coordination.Event{Key: f.r.keys.Topic(t.Name), Value: grown.Encode(), Create: 1, Revision: rev}
	return true, f.st.ledger.Apply(rev, []coordination.Event{event}, f.st.observer())
}

// runs lists the batches of a run. One that is left out ends a run: behind its bytes another one begins.
func (f *finding) runs(run segment.Run, bytes []byte) (out []ledger.Run, err error) {
	position, begin := run.Position, true
	for b, err := range record.Batches(bytes) {
		if err != nil {
			return nil, err
		}
		h, err := record.ReadHeader(b)
		if err != nil {
			return nil, err
		}
		if h.IsTransactional() {
			f.r.Report.Transactional += int64(h.Records)
			f.transactional[h.Producer] = max(f.transactional[h.Producer], h.Epoch)
			position, begin = position+int64(h.Size), true
			continue
		}
		if begin {
			out = append(out, ledger.Run{Partition: run.TopicPartition, Position: position})
			begin = false
		}
		join(&out[len(out)-1], h)
		position += int64(h.Size)
	}
	return out, nil
}

// join adds a batch to a run's end, as ingest does: neighbours without producer id are one entry.
func join(run *ledger.Run, h record.Header) {
	e := ledger.Entry{Records: int64(h.Records), Bytes: int64(h.Size), MaxTimestamp: h.MaxTimestamp, Producer: record.NoProducer}
	if h.HasProducer() {
		e.Producer, e.Epoch, e.Sequence = h.Producer, h.Epoch, h.FirstSequence
	}
	if n := len(run.Entries); n > 0 && e.Producer == record.NoProducer && run.Entries[n-1].Producer == record.NoProducer {
		last := &run.Entries[n-1]
		last.Records, last.Bytes, last.MaxTimestamp = last.Records+e.Records, last.Bytes+e.Bytes, max(last.MaxTimestamp, e.MaxTimestamp)
		return
	}
	run.Entries = append(run.Entries, e)
}

// commit folds a record at the next revision, and says how many batches were accepted.
func (f *finding) commit(id ulid.ULID, c *ledger.Commit) (accepted int, err error) {
	rev := f.st.ledger.Revision() + 1
	obs := f.st.observer()
	obs.Commit = func(_ ulid.ULID, _ coordination.Revision, _ *ledger.Commit, outcomes [][]ledger.Outcome) {
		for i := range c.Runs {
			accepted += f.outcomes(c, &c.Runs[i], outcomes[i])
		}
	}
	event := coordination.Event{Key: f.r.keys.Commit(id), Value: c.Encode(), Create: rev, Revision: rev}
	return accepted, f.st.ledger.Apply(rev, []coordination.Event{event}, obs)
}

func (f *finding) outcomes(c *ledger.Commit, run *ledger.Run, outcomes []ledger.Outcome) (accepted int) {
	position := run.Position
	for i, out := range outcomes {
		e := run.Entries[i]
		switch out.Kind {
		case ledger.Accepted:
			accepted++
			f.r.Report.putBack(topicName(f.st.ledger, run.Partition.Topic), run.Partition.Partition, out.Base, e.Records)
		case ledger.OutOfOrder, ledger.UnknownProducer:
			f.refused = append(f.refused, waiting{c.Segments[run.Segment], run.Partition, position, e})
		case ledger.Duplicate, ledger.Old:
		case ledger.Fenced, ledger.TxnState, ledger.NoTopic, ledger.Covered:
			f.r.Report.Refused += e.Records
		}
		position += e.Bytes
	}
	return accepted
}

// retry tries refused batches again, until none of them is accepted.
func (f *finding) retry() error {
	for again := true; again; {
		again = false
		waited := f.refused
		f.refused = nil
		for _, w := range waited {
			c := &ledger.Commit{Segments: []ledger.SegmentRef{w.segment}, Runs: []ledger.Run{{Partition: w.partition, Position: w.position, Entries: []ledger.Entry{w.entry}}}}
			n, err := f.commit(w.segment.ID, c)
			if err != nil {
				return err
			}
			again = again || n > 0
		}
	}
	return nil
}
