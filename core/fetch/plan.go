package fetch

import (
	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/cache"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/rule"
)

// plan is what one partition needs.
type plan struct {
	Partition
	bounds  Bounds
	from    record.Offset    // what is read begins here: at the offset, or behind what was found to hold nothing
	end     record.Offset    // what is read lies below it
	doubt   error            // an answer that needs a barrier
	aborted []ledger.Aborted // read_committed: of all that was planned, at the same revision

	committed  bool
	sequential bool             // who asks goes on where an answer ended
	lacked     bool             // something had to be loaded
	manifest   *ledger.Manifest // to be read first; nil: from is not before its end
	spans      []ledger.Span    // of the head and after it
	heat       []cache.Heat     // of the spans

	pieces  []piece
	objects []*cache.Object // of the pieces that could be loaded
	failed  error           // why the next one could not
}

func anyDoubt(plans []plan) bool {
	for i := range plans {
		if plans[i].doubt != nil {
			return true
		}
	}
	return false
}

// plan looks up all partitions at one revision, without reading any object. passed has for each partition the offset below which nothing is left
// to read.
func (f *Fetcher) plan(r Request, passed []record.Offset) ([]plan, error) {
	plans := make([]plan, len(r.Partitions))
	err := f.Stream.View(func(l *ledger.Ledger) {
		var d division
		for i := range r.Partitions {
			p := &plans[i]
			p.Partition, p.committed = r.Partitions[i], r.ReadCommitted
			p.BytesMax = min(p.BytesMax, r.BytesMax) // more is not answered, so it need not be loaded
			if !l.Has(p.TopicPartition) {
				p.bounds, p.doubt = Bounds{-1, -1, -1}, ErrUnknownPartition
				continue
			}
			state := l.Partition(p.TopicPartition)
			p.bounds = Bounds{state.LogStart(), state.Next(), state.LastStable()}
			p.from, p.end = max(p.Offset, passed[i]), p.bounds.HighWatermark
			if r.ReadCommitted && rule.On(rule.StableEnd) {
				p.end = p.bounds.LastStable
			}
			switch {
			case p.Offset < p.bounds.LogStart || p.Offset > p.bounds.HighWatermark:
				p.doubt = ErrOutOfRange
			case p.from < p.end:
				d.add(state, p)
			}
		}
		f.divide(l, &d, int64(max(r.BytesMax, 1)))
	})
	return plans, err
}

// heatOf says whether a span is of the tail. What is settled is of the past.
func (f *Fetcher) heatOf(l *ledger.Ledger, s *ledger.Span) cache.Heat {
	if s.Settled() {
		return cache.Cold
	}
	if s.Revision > 0 || coordination.MarkOf(s.Segment)+coordination.Mark(f.TailAge.Milliseconds()) >= l.Stamp() {
		return cache.Hot
	}
	return cache.Cold
}
