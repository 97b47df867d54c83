package fetch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/firnlog/firnlog/core/archive"
	"github.com/firnlog/firnlog/core/cache"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/stream"
	"github.com/firnlog/firnlog/objectstore"
)

// The flow of a read:
//
//	plan    under the ledger's lock: the ends of each partition, and the spans that hold what was asked for
//	locate  what was settled: root, page, or the object's index say which block to read
//	load    each piece once, several at a time, from the cache or with one GET
//	assemble whole batches, referred to or copied once (hand.go), offsets stamped in a copy
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
	// Archive reads manifests; nil: one of its own.
	Archive *archive.Archive

	ResponseBytesMax int           // bound of one answer, whatever the client asks for
	LoadsMax         int           // GETs at a time for one request
	TailAge          time.Duration // segments younger than this before the stamp are kept hot
	// NoReadAhead: blocks are read when somebody waits for them only, where nothing may go on in the background (a function) or
	// what runs at the same time must not matter (a simulation).
	NoReadAhead bool
}

// Fetcher is the read path of one instance.
type Fetcher struct {
	Settings
	cold  *semaphore.Weighted // turns to load from the past
	ahead *ahead
	trail trail
}

// New makes a Fetcher.
func New(s Settings) *Fetcher {
	if s.Archive == nil {
		s.Archive = archive.New(s.Store, archive.BytesMax)
	}
	return &Fetcher{Settings: s, cold: semaphore.NewWeighted(coldFetchesMax), ahead: newAhead()}
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
		if results[i].Size() > 0 {
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

// pass plans, loads and assembles once; again from further on where nothing is left of what was loaded: a consumer goes on by
// batches alone, so it must not be left standing before a gap. enough: the answer need not wait for more.
func (f *Fetcher) pass(ctx context.Context, r Request, final bool) (results []Result, enough bool) {
	until := make([]record.Offset, len(r.Partitions))
	for {
		plans, release, err := f.prepare(ctx, r, until)
		if err != nil {
			return f.unavailable(r, err), true
		}
		if ctx.Err() == nil && passed(plans, until) {
			release()
			continue
		}
		results, enough = f.assemble(plans, r, final)
		release()
		f.follow(ctx, r, plans, results)
		return results, enough
	}
}

// prepare plans and loads. Where the plan found what only a barrier may tell, and where an object was not there, it plans again
// behind one.
func (f *Fetcher) prepare(ctx context.Context, r Request, until []record.Offset) (plans []plan, release func(), err error) {
	if plans, err = f.plan(r, until); err != nil {
		return nil, nil, err
	}
	if anyDoubt(plans) {
		barrier := f.Stream.Barrier(ctx)
		if plans, err = f.plan(r, until); err != nil {
			return nil, nil, err
		}
		for i := range plans {
			if plans[i].doubt != nil && barrier != nil {
				plans[i].doubt = fmt.Errorf("%w: %w", ErrUnavailable, barrier)
			}
		}
	}
	f.locate(ctx, plans)
	release = f.load(ctx, plans)
	var before []string
	for range replansMax {
		gone := missing(plans)
		if !anyNew(gone, before) {
			break
		}
		release()
		again, done, err := f.replan(ctx, r, until)
		if err != nil {
			doubtMissing(plans, err)
			return plans, done, nil
		}
		plans, release, before = again, done, gone
	}
	return plans, release, nil
}

// replansMax bounds how often references may be overtaken in one fetch. The same reference that is missing again is no matter of
// time; another one is: a barrier that took long, behind a connection that was cut, is old when it has passed, and what it
// brought may have been replaced since.
const replansMax = 6

// replan plans behind a barrier and loads, after an object was not there.
func (f *Fetcher) replan(ctx context.Context, r Request, until []record.Offset) (plans []plan, release func(), err error) {
	release = func() {}
	if err := f.Stream.Barrier(ctx); err != nil {
		return nil, release, err
	}
	if plans, err = f.plan(r, until); err == nil {
		f.locate(ctx, plans)
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

// missing names the objects that were not there, with who asked for them.
func missing(plans []plan) (out []string) {
	for i := range plans {
		if errors.Is(plans[i].failed, objectstore.ErrNotFound) {
			out = append(out, fmt.Sprint(plans[i].TopicPartition, plans[i].failed))
		}
	}
	return out
}

func anyNew(now, before []string) bool {
	return slices.ContainsFunc(now, func(s string) bool { return !slices.Contains(before, s) })
}

func (f *Fetcher) unavailable(r Request, err error) []Result {
	out := make([]Result, len(r.Partitions))
	for i := range out {
		out[i] = Result{TopicPartition: r.Partitions[i].TopicPartition, Err: fmt.Errorf("%w: %w", ErrUnavailable, err), HighWatermark: -1, LastStable: -1, LogStart: -1}
	}
	return out
}
