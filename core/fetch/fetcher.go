package fetch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/cache"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/rule"
	"github.com/firnlog/firnlog/core/stream"
	"github.com/firnlog/firnlog/objectstore"
)

// The flow of a read:
//
//	plan    under the ledger's lock: the ends of each partition, and the spans that hold what was asked for
//	load    each object once, several at a time, from the cache or with one GET
//	assemble whole batches, copied once, offsets stamped in the copy
//	wait    for news of any of the partitions, then again; at the end behind a barrier
//
// Invariants:
//   - I11: "nothing here", "out of range" and "unknown" are said behind a barrier only. Data in hand needs none.
//   - I12: what goes wrong with one partition is that partition's answer alone.
//   - A missing object: references may have been replaced meanwhile, so plan once more
//     behind a barrier; the same reference again is a storage error, not looped on.

// Settings of a Fetcher.
type Settings struct {
	Store  objectstore.Store
	Stream *stream.Stream
	Cache  *cache.Cache
	Log    *slog.Logger

	ResponseBytesMax int           // bound of one answer, whatever the client asks for
	LoadsMax         int           // GETs at a time for one request
	TailAge          time.Duration // segments younger than this before the stamp are kept hot
}

// Fetcher is the read path of one instance.
type Fetcher struct {
	Settings
	cold *semaphore.Weighted // turns to load from the past
}

// New makes a Fetcher.
func New(s Settings) *Fetcher {
	return &Fetcher{Settings: s, cold: semaphore.NewWeighted(coldFetchesMax)}
}

var _ Reader = (*Fetcher)(nil)

// Fetch implements Reader.
func (f *Fetcher) Fetch(ctx context.Context, r Request) []Result {
	r.BytesMax = min(r.BytesMax, f.ResponseBytesMax)
	names := make([]record.TopicPartition, len(r.Partitions))
	for i := range r.Partitions {
		names[i] = r.Partitions[i].TopicPartition
	}
	news := f.Stream.Subscribe(names)
	defer news.Close()
	if r.BytesMin <= 0 {
		r.WaitMax = 0
	}
	deadline := time.NewTimer(max(r.WaitMax, 0))
	defer deadline.Stop()
	var blind error // the last look was not behind a barrier
	for over := false; ; {
		results, enough := f.pass(ctx, r, over || ctx.Err() != nil)
		if enough {
			return doubtEmpty(results, blind)
		}
		select {
		case <-news.News():
		case <-deadline.C:
			over = true
			if err := f.Stream.Barrier(ctx); err != nil {
				blind = fmt.Errorf("%w: %w", ErrUnavailable, err)
			}
		case <-ctx.Done():
		}
	}
}

// doubtEmpty turns an empty answer into an error where no barrier stands behind it: records
// that were acknowledged elsewhere may be missing from it.
func doubtEmpty(results []Result, blind error) []Result {
	if blind == nil {
		return results
	}
	for i := range results {
		if len(results[i].Batches) > 0 {
			return results
		}
	}
	for i := range results {
		if results[i].Err == nil {
			results[i].Err = blind
		}
	}
	return results
}

// pass plans, loads and assembles once. Where the plan found what only a barrier may
// tell, it plans again behind one. enough: the answer need not wait for more.
func (f *Fetcher) pass(ctx context.Context, r Request, final bool) (results []Result, enough bool) {
	plans, err := f.plan(r)
	if err != nil {
		return f.unavailable(r, err), true
	}
	if anyDoubt(plans) {
		barrier := f.Stream.Barrier(ctx)
		if plans, err = f.plan(r); err != nil {
			return f.unavailable(r, err), true
		}
		for i := range plans {
			if plans[i].doubt != nil && barrier != nil {
				plans[i].doubt = fmt.Errorf("%w: %w", ErrUnavailable, barrier)
			}
		}
	}
	release := f.load(ctx, plans)
	defer func() { release() }()
	if f.replaced(plans) {
		release()
		again, done, err := f.replan(ctx, r)
		if release = done; err == nil {
			plans = again
		} else {
			doubtMissing(plans, err)
		}
	}
	return f.assemble(plans, r, final)
}

// replan plans behind a barrier and loads, after an object was not there.
func (f *Fetcher) replan(ctx context.Context, r Request) (plans []plan, release func(), err error) {
	release = func() {}
	if err := f.Stream.Barrier(ctx); err != nil {
		return nil, release, err
	}
	if plans, err = f.plan(r); err == nil {
		release = f.load(ctx, plans)
	}
	return plans, release, err
}

// doubtMissing: what an instance that cannot follow the log does not find may only have been replaced.
func doubtMissing(plans []plan, cause error) {
	for i := range plans {
		if errors.Is(plans[i].failed, objectstore.ErrNotFound) {
			plans[i].failed = cause
		}
	}
}

func (f *Fetcher) replaced(plans []plan) bool {
	for i := range plans {
		if errors.Is(plans[i].failed, objectstore.ErrNotFound) {
			return true
		}
	}
	return false
}

func (f *Fetcher) unavailable(r Request, err error) []Result {
	out := make([]Result, len(r.Partitions))
	for i := range out {
		out[i] = Result{TopicPartition: r.Partitions[i].TopicPartition, Err: fmt.Errorf("%w: %w", ErrUnavailable, err), HighWatermark: -1, LastStable: -1, LogStart: -1}
	}
	return out
}

// plan is what one partition needs.
type plan struct {
	Partition
	bounds  Bounds
	end     record.Offset    // what is read lies below it
	doubt   error            // an answer that needs a barrier
	aborted []ledger.Aborted // read_committed: of all that was planned, at the same revision
	spans   []ledger.Span
	heat    []cache.Heat
	objects []*cache.Object // of the spans that could be loaded
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

// plan looks up all partitions at one revision.
func (f *Fetcher) plan(r Request) ([]plan, error) {
	plans := make([]plan, len(r.Partitions))
	err := f.Stream.View(func(l *ledger.Ledger) {
		planned := int64(0)
		for i := range r.Partitions {
			p := &plans[i]
			p.Partition = r.Partitions[i]
			if !l.Has(p.TopicPartition) {
				p.bounds, p.doubt = Bounds{-1, -1, -1}, ErrUnknownPartition
				continue
			}
			state := l.Partition(p.TopicPartition)
			p.bounds = Bounds{state.LogStart(), state.Next(), state.LastStable()}
			end := p.bounds.HighWatermark
			if r.ReadCommitted && rule.On(rule.StableEnd) {
				end = p.bounds.LastStable
			}
			switch {
			case p.Offset < p.bounds.LogStart || p.Offset > p.bounds.HighWatermark:
				p.doubt = ErrOutOfRange
			case planned < int64(max(r.BytesMax, 1)):
				planned += f.planSpans(l, state, p, end)
				if n := len(p.spans); r.ReadCommitted && n > 0 {
					p.aborted = state.AbortedIn(p.Offset, min(p.spans[n-1].End, end))
				}
			}
			p.end = end
		}
	})
	return plans, err
}

// planSpans adds spans from the offset on until they surely hold BytesMax.
func (f *Fetcher) planSpans(l *ledger.Ledger, state *ledger.Partition, p *plan, end record.Offset) (bytes int64) {
	for at := p.Offset; at < end; {
		s, ok := state.SpanAt(at)
		if !ok || s.Base >= end {
			break
		}
		p.spans = append(p.spans, s)
		p.heat = append(p.heat, f.heatOf(l, &s))
		if len(p.spans) > 1 { // the offset may be at the end of the first
			bytes += s.Length
		}
		if bytes >= int64(max(p.BytesMax, 1)) {
			break
		}
		at = s.End
	}
	return bytes
}

// keyOf names the object that holds a span; "" for a marker, which none does.
func keyOf(s *ledger.Span) string {
	if s.Inline != nil {
		return ""
	}
	return ledger.SegmentKey(s.Segment)
}

func (f *Fetcher) heatOf(l *ledger.Ledger, s *ledger.Span) cache.Heat {
	if s.Revision > 0 || coordination.MarkOf(s.Segment)+coordination.Mark(f.TailAge.Milliseconds()) >= l.Stamp() {
		return cache.Hot
	}
	return cache.Cold
}

func (f *Fetcher) get(ctx context.Context, heat cache.Heat, key string) (*cache.Object, error) {
	return f.Cache.Load(ctx, heat, key, func(ctx context.Context) ([]byte, error) {
		b, err := f.Store.Get(ctx, key, 0, -1)
		if err != nil {
			return nil, fmt.Errorf("get %s: %w", key, err)
		}
		return b, nil
	})
}
