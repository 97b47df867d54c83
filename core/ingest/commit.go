package ingest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/pause"
	"github.com/firnlog/firnlog/core/rule"
	"github.com/firnlog/firnlog/core/stream"
)

// commits takes sealed segments in order and commits them, one transaction at a time.
func (g *Ingest) commits(ctx context.Context) error {
	for {
		group, err := g.line.group(ctx)
		if err != nil {
			return err
		}
		for _, f := range group {
			g.leaveOut(f)
		}
		if first := group[0]; first.err != nil {
			g.Log.Error("segment not stored; its producers are told to try again", "error", first.err)
			g.fail(first, fmt.Errorf("%w: %w", ErrNotAppended, first.err))
			continue
		}
		group = slices.DeleteFunc(group, func(f *flush) bool { return len(f.runs) == 0 }) // no batch is left: the object is for sweep
		if len(group) > 0 {
			g.commit(ctx, newSending(g, group))
		}
	}
}

// sending is one commit record on its way, with what is needed to send it again unchanged.
type sending struct {
	flushes  []*flush
	id       ulid.ULID
	smallest coordination.Mark
	format   []byte // log/format when the first was named
	offsets  []int  // of each flush's first run in the record
	changes  []coordination.Change
	expect   *stream.Expectation
	unknown  bool // an earlier try may have been applied, or may be yet
	started  time.Time
}

// newSending makes the record: it names all segments of the group, under the id of the first.
func newSending(g *Ingest, group []*flush) *sending {
	s := &sending{flushes: group, id: group[0].id, format: group[0].format, started: time.Now()}
	c := &ledger.Commit{Version: ledger.RecordVersion(s.format)}
	s.smallest = coordination.MarkOf(group[0].id)
	for i, f := range group {
		s.smallest = min(s.smallest, coordination.MarkOf(f.id))
		c.Segments = append(c.Segments, ledger.SegmentRef{ID: f.id, Size: f.size})
		s.offsets = append(s.offsets, len(c.Runs))
		for _, r := range f.runs {
			r.Segment = i
			c.Runs = append(c.Runs, r)
		}
	}
	s.changes = []coordination.Change{coordination.PutKey(g.Keys.Commit(s.id), c.Encode())}
	if !rule.On(rule.OneCommitKey) {
		s.changes = changesByKey(g.Keys, group)
	}
	s.expect = g.Stream.Expect(s.id, c)
	return s
}

// changesByKey makes a key a segment, newest first (only without rule OneCommitKey).
func changesByKey(keys coordination.Keys, group []*flush) (out []coordination.Change) {
	for i := len(group) - 1; i >= 0; i-- {
		c := &ledger.Commit{Segments: []ledger.SegmentRef{{ID: group[i].id, Size: group[i].size}}, Runs: group[i].runs}
		out = append(out, coordination.PutKey(keys.Commit(group[i].id), c.Encode()))
	}
	return out
}

// commit sends one record and leaves it to another goroutine to learn its outcome: the next one need not wait for that.
func (g *Ingest) commit(ctx context.Context, s *sending) {
	if sent := g.send(ctx, s); sent != nil {
		go g.learn(ctx, sent)
	}
}

// sent is a record that was committed.
type sent struct {
	*sending
	rev  coordination.Revision
	took time.Duration
}

// send sends one record until its outcome is known or we must stop; nil: its waiters have been answered.
func (g *Ingest) send(ctx context.Context, s *sending) *sent {
	ctx, span := g.traceCommit(ctx, "commit", s)
	defer span.End()
	for attempt := 0; ; attempt++ {
		rev, err := g.try(ctx, s)
		switch {
		case err == nil:
			return &sent{s, rev, time.Since(s.started)}
		case errors.Is(err, errRefusedByFloor) && (!s.unknown || !rule.On(rule.UnknownStays)):
			if s = g.again(ctx, s); s == nil {
				return nil
			}
			continue
		case errors.Is(err, errRefusedByFloor):
			g.giveUp(s, err)
			return nil
		case errors.Is(err, errRefusedByFormat):
			s.unknown = true // a restore may have found the segment and put it back
			g.giveUp(s, err)
			// The watch may not know: in an etcd that was emptied it waits for revisions that are long to come. Its
			// error says what was refused already.
			_ = g.Stream.Barrier(ctx)
			return nil
		}
		g.repeated()
		g.Log.Warn("commit not confirmed, sending it again", "commit", s.id, "attempt", attempt, "error", err)
		expired := !s.unknown && time.Since(s.started) > g.GiveUpAfter
		if errors.Is(err, coordination.ErrTooLarge) || expired || pause.For(ctx, pause.Backoff(attempt, 10*time.Millisecond, time.Second)) != nil {
			g.giveUp(s, err)
			return nil
		}
	}
}

var (
	errRefusedByFloor  = errors.New("the floor has passed this segment's id")
	errRefusedByFormat = errors.New("the cluster's format or era has changed")
)

// commitTimeout bounds one try; what it leaves unknown is tried again.
const commitTimeout = 5 * time.Second

// try sends the record once. The else branch reads what the guards compared,
// and looks at the commit key first: if it is there, an earlier try succeeded.
func (g *Ingest) try(ctx context.Context, s *sending) (coordination.Revision, error) {
	format := g.Stream.FormatValue()
	switch {
	case format == nil:
		return 0, stream.ErrNotReady
	case !bytes.Equal(format, s.format):
		return 0, errRefusedByFormat
	}
	ctx, cancel := context.WithTimeout(ctx, commitTimeout)
	defer cancel()
	key := g.Keys.Commit(s.id)
	res, err := g.KV.Commit(ctx, ledger.CommitGuards(g.Keys, s.id, s.smallest, format), s.changes, key, g.Keys.Floor(), g.Keys.Format())
	switch {
	case errors.Is(err, coordination.ErrUnknown):
		s.unknown = true
		return 0, err
	case err != nil:
		return 0, err
	case res.Committed:
		return res.Revision, nil
	case res.Else[0].Create != 0:
		return res.Else[0].Create, nil
	case string(res.Else[2].Value) != string(format):
		return 0, errRefusedByFormat
	}
	return 0, errRefusedByFloor
}

// again puts the same batches under new ids: refused by the floor with no try unknown is definite.
// The segments behind wait, so sealing order holds. The barrier brings the stamp that stands now: ids
// drawn from an older one, by an instance whose watch lags, would be refused for ever.
func (g *Ingest) again(ctx context.Context, s *sending) *sending {
	if err := g.Stream.Barrier(ctx); err != nil {
		g.giveUp(s, err)
		return nil
	}
	s.expect.Forget()
	g.renamed(len(s.flushes))
	for _, f := range s.flushes {
		if !rule.On(rule.NoEagerDelete) {
			_ = g.Store.Delete(ctx, ledger.SegmentKey(f.id))
		}
		err := g.name(f)
		if err == nil && slices.ContainsFunc(f.items, func(it item) bool { return g.tooOld(&it) }) {
			err = errHeld
		}
		if err == nil {
			err = g.store(ctx, f)
		}
		if err != nil {
			g.Log.Error("segment not stored again after the floor passed it", "error", err)
			for _, f := range s.flushes {
				g.fail(f, fmt.Errorf("%w: %w", ErrNotAppended, err))
			}
			return nil
		}
	}
	return newSending(g, s.flushes)
}

// giveUp answers the waiters of a record that is not tried any more.
func (g *Ingest) giveUp(s *sending, cause error) {
	s.expect.Forget()
	g.lost(s.unknown)
	class := ErrNotAppended
	if s.unknown {
		class = ErrUnknown
	}
	g.Log.Error("commit given up", "commit", s.id, "outcome", class, "error", cause)
	for _, f := range s.flushes {
		if !rule.On(rule.NoEagerDelete) {
			_ = g.Store.Delete(context.Background(), ledger.SegmentKey(f.id))
		}
		g.fail(f, fmt.Errorf("%w: %w", class, cause))
	}
}

// learn waits for the fold and gives each batch its own outcome.
func (g *Ingest) learn(ctx context.Context, s *sent) {
	defer s.expect.Forget()
	_, span := g.traceCommit(ctx, "learn", s.sending)
	defer span.End()
	confirmed := time.Now()
	learned, err := s.expect.Wait(ctx, s.rev)
	if err != nil {
		for _, f := range s.flushes {
			g.fail(f, fmt.Errorf("%w: %w", ErrUnknown, err))
		}
		return
	}
	report := Flush{Segments: len(s.flushes), Commit: s.took, Learn: time.Since(confirmed)}
	for i, f := range s.flushes {
		var outcomes [][]ledger.Outcome
		if learned.Outcomes != nil && s.offsets[i]+len(f.runs) <= len(learned.Outcomes) {
			outcomes = learned.Outcomes[s.offsets[i] : s.offsets[i]+len(f.runs)]
		}
		g.acknowledge(f, outcomes)
		report.Runs += len(f.runs)
		report.Batches += len(f.items)
		report.Bytes += f.size
		for k := range f.items {
			report.Records += f.items[k].entry.Records
		}
		report.Put = max(report.Put, f.took)
		report.Queued = max(report.Queued, s.started.Sub(f.since)-f.took)
	}
	if g.Flushed != nil {
		g.Flushed(report)
	}
}

// acknowledge resolves the batches of a segment. Where a bootstrap jumped over the commit, only
// the producer's window may tell; offsets are never guessed.
func (g *Ingest) acknowledge(f *flush, outcomes [][]ledger.Outcome) {
	resolved := make([]Outcome, len(f.items))
	err := g.Stream.View(func(l *ledger.Ledger) {
		for i := range f.items {
			it := &f.items[i]
			out := ledger.Outcome{Kind: ledger.Covered, Base: -1}
			if outcomes != nil {
				out = outcomes[it.run][it.slot]
			}
			if out.Kind == ledger.Covered {
				if base, ok := l.Known(it.partition, &it.entry); ok {
					out = ledger.Outcome{Kind: ledger.Duplicate, Base: base}
				}
			}
			resolved[i] = it.outcome(out)
			resolved[i].LogStart = l.Partition(it.partition).LogStart()
		}
	})
	for i := range f.items {
		if err != nil {
			resolved[i] = *refuse(fmt.Errorf("%w: %w", ErrUnknown, err))
		}
		g.done(&f.items[i], resolved[i])
	}
	f.span.End()
}

func (it *item) outcome(out ledger.Outcome) Outcome {
	o := Outcome{Base: -1, AppendTime: it.appendMs}
	switch out.Kind {
	case ledger.Accepted:
		o.Base = out.Base + it.delta
	case ledger.Duplicate:
		o.Base = out.Base
	case ledger.Old:
		o.Err = ErrOldDuplicate
	case ledger.OutOfOrder:
		o.Err = ErrOutOfOrder
	case ledger.UnknownProducer:
		o.Err = ErrUnknownProducer
	case ledger.Fenced:
		o.Err = ErrFenced
	case ledger.TxnState:
		o.Err = ErrTxnState
	case ledger.NoTopic:
		o.Err = ErrUnknownPartition
	case ledger.Covered:
		o.Err = ErrUnknown
	}
	return o
}

// fail gives every batch of a segment the same error.
func (g *Ingest) fail(f *flush, err error) {
	for i := range f.items {
		g.done(&f.items[i], Outcome{Err: err, Base: -1, AppendTime: -1})
	}
	f.span.Fail(err)
	f.span.End()
}

// done resolves one batch and gives its memory back.
func (g *Ingest) done(it *item, o Outcome) {
	it.pending.resolve(it.index, o)
	if rule.On(rule.MemoryBounded) {
		g.giveBack(int64(len(it.batch)))
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.mu.onTheirWay--; g.mu.onTheirWay == 0 && g.mu.closing {
		close(g.mu.idle)
	}
}

// giveBack returns memory of a batch.
func (g *Ingest) giveBack(size int64) {
	g.memory.Release(size)
	g.held.Add(-size)
}

// abandon answers what was never sent, after Run has stopped.
func (g *Ingest) abandon() {
	for _, f := range g.line.drain() {
		g.fail(f, ErrNotAppended)
	}
	for {
		g.mu.Lock()
		g.close()
		items := g.mu.batcher.Take()
		g.mu.Unlock()
		if len(items) == 0 {
			return
		}
		g.fail(&flush{items: items}, ErrNotAppended)
	}
}
