package ingest

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/oklog/ulid/v2"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/cache"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/rule"
	"github.com/firnlog/firnlog/core/segment"
	"github.com/firnlog/firnlog/core/stream"
	"github.com/firnlog/firnlog/core/tracing"
	"github.com/firnlog/firnlog/objectstore"
)

// The flow of a batch:
//
//	Add ── accept ──► batcher ──Take──► seal ──► put ─┐ (several at a time; beside it transactional
//	                                      │           │  batches get their membership, join.go)
//	                                      │           ▼
//	                                      └─ line ──► commit (one at a time, in sealing order)
//	                                                  │
//	Pending ◄── acknowledge ◄── outcome of each batch ┴─ learnt from the stream
//
// Invariants:
//   - I1: a commit is sent only after its puts have returned.
//   - Commits go out in sealing order, one in flight; neighbours that are already
//     put are coalesced into one record under one key. Order is the revision alone.
//   - A record once sent never changes, and a segment is named by one key ever. An
//     unknown outcome is retried before any later record until it is found,
//     created or refused.
//   - A waiter gets the outcome of its own batches, never that of a flush.
//   - Memory: a batch holds its bytes in the budget from Add to its outcome.
//   - Nobody deletes the object of a failed or unknown commit: sweep alone does.
//
// Rejected: one goroutine a flush that does put and commit (commits would go out
// of order, and an idempotent producer's batches be refused); deleting the object
// when a commit was refused (a late try may still be applied).

// Settings of an Ingest.
type Settings struct {
	Store  objectstore.Store
	KV     coordination.KV
	Keys   coordination.Keys
	Stream *stream.Stream
	Cache  *cache.Cache
	// Transactions gives transactional batches their membership; nil: there are none.
	Transactions Transactions
	Now          func() time.Time // the wall clock, of time stamps; waits are not measured by it
	Log          *slog.Logger
	Random       io.Reader // nil is fine; kept for back-off jitter

	Linger time.Duration
	// IdleLinger is how long a batch waits instead when nothing was sealed for its linger: who comes to an idle instance need not wait for
	// neighbours that are not there. Segments are sealed no more often for it than once a linger. 0: as long as any.
	IdleLinger   time.Duration
	SegmentBytes int64 // flush at this size
	MemoryMax    int64 // bytes of batches on their way
	UploadsMax   int   // puts in flight
	GiveUpAfter  time.Duration
	HeldMax      time.Duration // a batch that came so long ago is not committed any more (age.go); 0: whenever

	// FlushBefore: nobody runs Run; who waits for an outcome drives the batches itself (demand.go), until this time at
	// most. nil: Run does.
	FlushBefore func() time.Time

	Events
	// Trace takes spans of flushes; the zero one takes none.
	Trace tracing.Trace
}

// Flush is what one commit cost and carried.
type Flush struct {
	Segments, Runs, Batches int
	Bytes, Records          int64
	Queued                  time.Duration // oldest batch: from seal to put
	Put, Commit, Learn      time.Duration
}

// Ingest is the write path of one instance. Run must be running.
type Ingest struct {
	Settings
	mu struct {
		sync.Mutex
		batcher    batcher
		sealed     time.Time // the last segment
		closing    bool
		onTheirWay int           // batches without an outcome
		idle       chan struct{} // closed when closing and nothing is on its way
	}
	news     chan struct{} // holds one: the batcher has changed
	memory   *semaphore.Weighted
	held     atomic.Int64 // of it
	encoders *record.Encoders
	line     *line
	driving  chan struct{} // holds one while somebody flushes on demand
}

// New makes an Ingest; Run starts it.
func New(s Settings) *Ingest {
	g := &Ingest{
		Settings: s,
		news:     make(chan struct{}, 1),
		memory:   semaphore.NewWeighted(s.MemoryMax),
		encoders: &record.Encoders{},
		line:     newLine(s.UploadsMax + 1), // the first waits for its put
		driving:  make(chan struct{}, 1),
	}
	g.mu.batcher = batcher{segmentBytes: s.SegmentBytes, commitBytes: ledger.CommitBytesMax}
	g.mu.idle = make(chan struct{})
	return g
}

// flush is one segment on its way.
type flush struct {
	id     ulid.ULID
	format []byte // log/format when the id was drawn: it belongs to that era
	items  []item
	sealed []segment.Run // where each partition's batches stand
	runs   []ledger.Run  // what the commit says of them; made once memberships are known
	body   [][]byte
	size   int64
	since  time.Time     // when it was sealed
	took   time.Duration // of the put
	put    chan struct{} // closed when err and runs are set
	err    error
	span   tracing.Span
	at     tracing.Link // where it stands
}

// Run drives the write path until ctx ends. Batches still on their way then are
// answered ErrUnknown if their commit was sent, else ErrNotAppended. Drain first
// to lose none.
func (g *Ingest) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return g.seals(ctx) })
	group.Go(func() error { return g.commits(ctx) })
	err := group.Wait()
	g.abandon()
	return err
}

// Drain refuses new batches, flushes what is there, and waits until every batch has its outcome.
func (g *Ingest) Drain(ctx context.Context) error {
	g.mu.Lock()
	g.close()
	g.mu.Unlock()
	g.wake()
	select {
	case <-g.mu.idle:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("drain ingest: %w", ctx.Err())
	}
}

// close refuses new batches from here on; g.mu is held.
func (g *Ingest) close() {
	if !g.mu.closing {
		g.mu.closing = true
		if g.mu.onTheirWay == 0 {
			close(g.mu.idle)
		}
	}
}

func (g *Ingest) wake() {
	select {
	case g.news <- struct{}{}:
	default:
	}
}

// seals takes what is due and starts its upload, in order.
func (g *Ingest) seals(ctx context.Context) error {
	slots := semaphore.NewWeighted(int64(g.UploadsMax))
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		wait, why := g.untilDue()
		any := why != ""
		if any && wait <= 0 {
			g.sealed(why)
			if err := slots.Acquire(ctx, 1); err != nil {
				return err
			}
			f := g.take()
			if f.err == nil {
				f.err = g.name(f)
			}
			go func() {
				defer slots.Release(1)
				g.upload(ctx, f)
			}()
			if err := g.line.push(ctx, f); err != nil {
				g.fail(f, ErrNotAppended)
				return err
			}
			continue
		}
		if !any {
			wait = time.Hour
		}
		timer.Reset(wait)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-timer.C:
		case <-g.news:
		}
	}
}

// take seals the next segment.
func (g *Ingest) take() *flush {
	g.mu.Lock()
	items := g.mu.batcher.Take()
	g.mu.sealed = time.Now()
	g.mu.Unlock()
	items = g.young(items)
	slices.SortStableFunc(items, func(a, b item) int { return a.partition.Compare(b.partition) })
	f := &flush{items: items, since: time.Now(), put: make(chan struct{})}
	if len(items) == 0 {
		f.err = errHeld
		return f
	}
	var parts []segment.Partition
	for i := range items {
		if n := len(parts); n == 0 || parts[n-1].TopicPartition != items[i].partition {
			parts = append(parts, segment.Partition{TopicPartition: items[i].partition})
		}
		last := &parts[len(parts)-1]
		last.Batches = append(last.Batches, items[i].batch)
	}
	sealed, err := segment.Seal(parts)
	if err != nil {
		f.err = fmt.Errorf("%w: %w", ErrNotAppended, err)
		return f
	}
	f.body, f.size = sealed.Chunks, sealed.Size
	f.sealed = sealed.Runs
	g.trace(f)
	return f
}

// runsOf lists the entries of each run and tells each item where it stands.
// Neighbours without a producer id share one entry. A batch that is left out ends a run: behind its
// bytes another one begins.
func runsOf(items []item, sealed []segment.Run) (out []ledger.Run) {
	k := 0
	for _, r := range sealed {
		position, begin := r.Position, true
		for ; k < len(items) && items[k].partition == r.TopicPartition; k++ {
			it := &items[k]
			if it.refused != nil {
				position, begin = position+it.entry.Bytes, true
				continue
			}
			if begin {
				out = append(out, ledger.Run{Partition: r.TopicPartition, Position: position})
				begin = false
			}
			it.run = len(out) - 1
			it.joinRun(&out[it.run])
			position += it.entry.Bytes
		}
	}
	return out
}

// joinRun adds the batch to the run's end.
func (it *item) joinRun(run *ledger.Run) {
	last := len(run.Entries) - 1
	if last >= 0 && it.entry.Producer == record.NoProducer && run.Entries[last].Producer == record.NoProducer {
		e := &run.Entries[last]
		it.slot, it.delta = last, record.Offset(e.Records)
		e.Records += it.entry.Records
		e.Bytes += it.entry.Bytes
		e.MaxTimestamp = max(e.MaxTimestamp, it.entry.MaxTimestamp)
		return
	}
	it.slot, it.delta = last+1, 0
	run.Entries = append(run.Entries, it.entry)
}

// name draws a fresh id, as late as can be: from then on the floor gives the segment one lag until it may
// no longer be committed. Ids are drawn in sealing order, by whoever is about to start the put.
func (g *Ingest) name(f *flush) error {
	id, err := g.Stream.NewID()
	if err != nil {
		return fmt.Errorf("name a segment: %w", err)
	}
	f.id, f.format = id, g.Stream.FormatValue()
	return nil
}

// upload puts the segment, if it could be sealed and named, and gets its transactional batches their membership.
func (g *Ingest) upload(ctx context.Context, f *flush) {
	defer close(f.put)
	ctx = g.under(ctx, f)
	joins := g.join(ctx, f.items)
	if f.err == nil {
		f.err = g.store(ctx, f)
	}
	g.joined(f, joins)
}

// store puts the segment under its id.
func (g *Ingest) store(ctx context.Context, f *flush) (err error) {
	id := f.id
	start := time.Now()
	if rule.On(rule.CommitAfterPut) {
		err = g.Store.Put(ctx, ledger.SegmentKey(id), f.body...)
	} else {
		go func() { _ = g.Store.Put(ctx, ledger.SegmentKey(id), f.body...) }()
	}
	if err != nil {
		return fmt.Errorf("put segment %s of %d bytes: %w", id, f.size, err)
	}
	f.took = time.Since(start)
	g.Cache.Fill(ledger.SegmentKey(id), cache.NewObject(f.body...).Keeping(f.keeps()))
	return nil
}

// keeps is how much memory the batches keep from being freed: the requests that they came in.
func (f *flush) keeps() (bytes int64) {
	seen := map[*Pending]bool{}
	for i := range f.items {
		it := &f.items[i]
		switch {
		case it.keeps == 0:
			bytes += int64(len(it.batch))
		case !seen[it.pending]:
			seen[it.pending] = true
			bytes += it.keeps
		}
	}
	return bytes
}
