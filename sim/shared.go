package sim

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/firnlog/firnlog/core/fetch"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/sim/linear"
	"github.com/firnlog/firnlog/sim/queues"
)

// shared are the calls of all clients by partition, for the question whether each partition is one log that all share.
// It knows what clients were told, nothing else.
type shared struct {
	begin time.Time
	mu    struct {
		sync.Mutex
		parts map[record.TopicPartition]*linear.Recorder
		sent  map[int64]*batch // without an answer so far
	}
}

func newShared() *shared {
	s := &shared{begin: time.Now()}
	s.mu.parts, s.mu.sent = map[record.TopicPartition]*linear.Recorder{}, map[int64]*batch{}
	return s
}

func (s *shared) now() time.Duration { return time.Since(s.begin) }

func (s *shared) note(tp record.TopicPartition, o linear.Op) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.part(tp).Note(o)
}

func (s *shared) part(tp record.TopicPartition) *linear.Recorder {
	p := s.mu.parts[tp]
	if p == nil {
		p = &linear.Recorder{}
		s.mu.parts[tp] = p
	}
	return p
}

// sends notes that a batch will be sent.
func (s *shared) sends(b *batch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.sent[b.UID] = b
}

func (s *shared) appended(b *batch, base record.Offset) linear.Op {
	return linear.Op{Kind: linear.Append, From: b.first.Sub(s.begin), Value: b.UID, Base: int64(base), Records: int64(b.Records)}
}

// acked notes where a batch is.
func (s *shared) acked(b *batch, base record.Offset) {
	o := s.appended(b, base)
	o.To = s.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.mu.sent, b.UID)
	s.part(b.Partition).Note(o)
}

// fetched notes what an answer brought.
func (s *shared) fetched(from time.Duration, r *fetch.Result, at record.Offset) {
	if errors.Is(r.Err, fetch.ErrOutOfRange) {
		s.note(r.TopicPartition, linear.Op{Kind: linear.OutOfRange, From: from, To: s.now(), Base: int64(at)})
	}
	if r.Err != nil {
		return
	}
	for b, err := range record.Batches(r.Batches) {
		if err != nil {
			return // the judge says so
		}
		if h, err := record.ReadHeader(b); err == nil && !h.IsControl() {
			s.note(r.TopicPartition, linear.Op{Kind: linear.Read, From: from, To: s.now(), Value: h.MaxTimestamp, Base: int64(h.BaseOffset), Records: int64(h.LastOffset()-h.BaseOffset) + 1})
		}
	}
}

// ops are all calls of each partition; a batch without an answer may be there or not.
func (s *shared) ops() map[record.TopicPartition][]linear.Op {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, b := range s.mu.sent {
		o := s.appended(b, linear.Unknown)
		o.To = linear.Never
		s.part(b.Partition).Note(o)
	}
	clear(s.mu.sent)
	out := map[record.TopicPartition][]linear.Op{}
	for tp, p := range s.mu.parts {
		out[tp] = p.Ops()
	}
	return out
}

// searchMax is how long one window may be searched for an order, in wall time.
const searchMax = 5 * time.Second

// linearizable judges the calls of all partitions. It runs outside of the bubble, where time is real.
func (r *Report) linearizable(parts map[record.TopicPartition][]linear.Op) {
	for _, tp := range slices.SortedFunc(maps.Keys(parts), record.TopicPartition.Compare) {
		r.linear(nameOf(tp), parts[tp])
	}
}

func (r *Report) linear(name string, ops []linear.Op) {
	v := linear.Check(ops, searchMax)
	r.Counts.Windows, r.Counts.Undecided = r.Counts.Windows+v.Windows, r.Counts.Undecided+v.Undecided
	if v.Wrong != "" {
		r.Violations = append(r.Violations, Violation{Checker: "not linearizable", Key: name, What: fmt.Sprintf("%s: %s", name, v.Wrong)})
	}
}

// linearizableQueues judges what the clients of queues were told, key by key.
func (r *Report) linearizableQueues(h *queues.History) {
	parts := linear.Queues(h)
	for _, k := range slices.Sorted(maps.Keys(parts)) {
		r.linear(fmt.Sprint("key ", k), parts[k])
	}
}

// retained notes that retention has moved a log start, at this very instant: nobody is told, but everybody may see it.
func (w *world) retained(tp record.TopicPartition, to record.Offset) {
	now := w.shared.now()
	w.shared.note(tp, linear.Op{Kind: linear.Delete, From: now, To: now, Base: int64(to), End: linear.Unknown})
}

// bounds asks for the ends of a partition.
func (w *world) bounds(ctx context.Context, in *instance, tp record.TopicPartition) (fetch.Bounds, error) {
	from := w.shared.now()
	b, err := in.fetch.Bounds(ctx, tp)
	if err == nil && !in.isDead() {
		w.shared.note(tp, linear.Op{Kind: linear.Bounds, From: from, To: w.shared.now(), Base: int64(b.LogStart), End: int64(b.HighWatermark)})
	}
	return b, err
}
