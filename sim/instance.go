package sim

import (
	"context"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/cache"
	"github.com/firnlog/firnlog/core/coretest"
	"github.com/firnlog/firnlog/core/fetch"
	"github.com/firnlog/firnlog/core/group"
	"github.com/firnlog/firnlog/core/ingest"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/settle"
	"github.com/firnlog/firnlog/core/stream"
	"github.com/firnlog/firnlog/core/topic"
	"github.com/firnlog/firnlog/core/txn"
	"github.com/firnlog/firnlog/core/upkeep"
	"github.com/firnlog/firnlog/objectstore"
)

// instance is one life of the shipped code: from a start to a kill.
type instance struct {
	w            *world
	number, life int
	skew         atomic.Int64 // of its clock, in nanoseconds
	death        sync.Once
	stop         context.CancelFunc
	done         sync.WaitGroup
	gone         chan struct{} // closed at the kill
	read         atomic.Bool   // a consumer is reading here
	held         atomic.Int64  // bytes of batches that were taken and not answered

	stream *stream.Stream
	ingest *ingest.Ingest
	fetch  *fetch.Fetcher
	upkeep *upkeep.Upkeep
	settle *settle.Settler
	topics *topic.Admin
	ids    *txn.ProducerIDs
	txns   *txn.Coordinator
	groups *group.Coordinator // nil: nobody needs it
	aging  *aging             // nil: nothing becomes old

	mu struct {
		sync.Mutex
		pausedUntil, cutUntil, storeUntil time.Time
		dead                              bool
	}
}

// retention of what nobody uses: longer than clocks are wrong.
const retention = 12 * time.Hour

// newInstance composes the shipped packages over this world.
func newInstance(w *world, number, life int, skew time.Duration) *instance {
	in := &instance{w: w, number: number, life: life, gone: make(chan struct{})}
	in.skew.Store(int64(skew))
	w.judge.Clock(skew)
	log := slog.New(slog.DiscardHandler)
	if w.log != nil {
		log = w.log.With("instance", number, "life", life)
	}
	now := func() time.Time { return time.Now().Add(time.Duration(in.skew.Load())) }
	kv := faultyKV{in}
	policy := objectstore.RetryPolicy{BackoffMin: 20 * time.Millisecond, BackoffMax: 200 * time.Millisecond, AttemptMax: 2 * time.Second, TotalMax: 4 * time.Second}
	store := objectstore.NewRetry(in.stores(), policy, objectstore.SystemClock(), func() float64 { return .5 })
	bytes := cache.New(w.CacheBytes, w.CacheBytes)
	entropy := throw(w.seed, "entropy", number, life, "")
	in.stream = stream.New(stream.Settings{KV: kv, Keys: w.keys, Now: now, Entropy: &entropy, Log: log, PageMax: w.PageMax, Observe: in.compare})
	in.ids = txn.NewProducerIDs(kv, w.keys, in.stream)
	transactions := txn.Settings{KV: kv, Keys: w.keys, View: in.stream, Producers: in.ids, Log: log, TimeoutMax: w.long(time.Hour), IDRetention: w.long(retention)}
	if w.Queue != (QueueSettings{}) {
		in.groups = w.newGroups(in, kv, now, log)
		transactions.Offsets = in.groups
	}
	in.txns = txn.New(transactions)
	in.ingest = ingest.New(ingest.Settings{Store: store, KV: kv, Keys: w.keys, Stream: in.stream, Cache: bytes, Transactions: in.txns, Now: now, Log: log,
		Linger: w.Linger, SegmentBytes: w.SegmentBytes, MemoryMax: w.MemoryMax, UploadsMax: w.UploadsMax, GiveUpAfter: 3 * time.Second, HeldMax: 10 * time.Second})
	in.fetch = fetch.New(fetch.Settings{Store: store, Stream: in.stream, Cache: bytes, Log: log, ResponseBytesMax: 1 << 20, LoadsMax: 4, TailAge: time.Second, NoReadAhead: true})
	in.upkeep = upkeep.New(upkeep.Settings{Store: store, KV: kv, Keys: w.keys, Stream: in.stream, Now: now, Log: log,
		Tick: time.Second, StampEvery: w.StampEvery, Lag: w.Lag, CheckpointAge: w.CheckpointAge, TrimEvery: w.TrimEvery, SweepEvery: w.SweepEvery,
		SweepGrace: w.SweepGrace, ProducerExpiry: w.ProducerExpiry, LeaseTTL: time.Second})
	in.settle = settle.New(settle.Settings{Store: store, KV: kv, Keys: w.keys, Stream: in.stream, Now: now, Log: log, Observe: in.settled,
		Bytes: w.SettleBytes, Age: w.SettleAge, SegmentsMax: 40, FanIn: 3, SpansMax: 8, SpillObjects: 3,
		Workers: 1, PieceBytes: 900, AheadBytes: 3000, LoadsMax: 1, DamageRetry: time.Second})
	if w.Aging != (Aging{}) {
		in.aging = in.newAging(store, kv, now, log)
	}
	names := throw(w.seed, "topic ids", number, life, "")
	in.topics = topic.New(kv, w.keys, in.stream, func() (id record.TopicID) {
		_, _ = io.ReadFull(&names, id[:])
		return id
	}, topic.DefaultSettings())
	return in
}

// newGroups makes a coordinator of groups that takes itself for the only one: as many as there are instances write the
// same offsets.
func (w *world) newGroups(in *instance, kv coordination.KV, now func() time.Time, log *slog.Logger) *group.Coordinator {
	node := int32(in.number)
	return group.New(group.Settings{
		KV: kv, Keys: w.keys, View: in.stream, Cluster: coretest.NewNeighbours(node, node), Now: now, NewID: func() string { return in.name() }, Log: log,
		Limits: group.DefaultLimits(), OffsetsRetention: w.long(retention),
	})
}

// start runs the loops until stop.
func (in *instance) start(ctx context.Context) {
	ctx, in.stop = context.WithCancel(ctx)
	in.done.Go(func() {
		if err := in.stream.Run(ctx); ctx.Err() == nil && !in.w.upgraded.Load() {
			in.w.judge.Stuck("stream ended: " + err.Error())
		}
	})
	in.done.Go(func() { _ = in.ingest.Run(ctx) }) // ends with ctx alone
	in.done.Go(func() { in.maintain(ctx) })
	if in.groups != nil {
		in.done.Go(func() { _ = in.groups.Run(ctx) })
	}
}

// kill ends it: nothing that it sends from now on arrives, nothing comes back; what is
// on its way may still land. A soft kill ends its loops a moment before.
func (in *instance) kill(soft time.Duration) {
	in.stop()
	time.Sleep(soft)
	in.death.Do(func() {
		in.mu.Lock()
		in.mu.dead = true
		in.mu.Unlock()
		close(in.gone)
	})
}

func (in *instance) isDead() bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.mu.dead
}

func (in *instance) isCut() bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	return time.Now().Before(in.mu.cutUntil)
}

// cut takes the connection to the KV away for a while.
func (in *instance) cut(d time.Duration) {
	in.mu.Lock()
	in.mu.cutUntil = time.Now().Add(d)
	in.mu.Unlock()
	in.w.transcript.note(time.Now(), in.number, "cut", "", d.String())
}

// cutStore takes the connection to the object store away for a while.
func (in *instance) cutStore(d time.Duration) {
	in.mu.Lock()
	in.mu.storeUntil = time.Now().Add(d)
	in.mu.Unlock()
	in.w.transcript.note(time.Now(), in.number, "cut store", "", d.String())
}

func (in *instance) isCutFromStore() bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	return time.Now().Before(in.mu.storeUntil)
}

// jump moves its clock.
func (in *instance) jump(d time.Duration) {
	in.w.judge.Clock(time.Duration(in.skew.Add(int64(d))))
	in.w.transcript.note(time.Now(), in.number, "clock jump", "", d.String())
}

// pause freezes the instance: a SIGSTOP, a frozen function. One that runs is not prolonged, and the
// next begins some time after it.
func (in *instance) pause(d time.Duration) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if now := time.Now(); now.After(in.mu.pausedUntil.Add(time.Second)) {
		in.mu.pausedUntil = now.Add(d)
		in.w.transcript.note(now, in.number, "pause", "", d.String())
	}
}

// heal ends pause and cut.
func (in *instance) heal() {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.mu.cutUntil, in.mu.storeUntil, in.mu.pausedUntil = time.Time{}, time.Time{}, time.Time{}
}

// gate holds who acts for a frozen instance until it goes on.
func (in *instance) gate(d *dice) {
	for {
		in.mu.Lock()
		left := time.Until(in.mu.pausedUntil)
		dead := in.mu.dead
		in.mu.Unlock()
		if left <= 0 || dead || in.w.quiet.Load() {
			return
		}
		t := time.NewTimer(min(left, time.Second) + d.between(0, 3*time.Millisecond))
		select {
		case <-t.C:
		case <-in.gone:
			t.Stop()
			time.Sleep(d.between(0, 3*time.Millisecond)) // all who waited here go on at instants of their own
		}
	}
}

// maintain calls the steps of upkeep, without any lease: every instance does all of them.
func (in *instance) maintain(ctx context.Context) {
	d := throw(in.w.seed, "upkeep", in.number, in.life, "")
	u := in.upkeep
	steps := []struct {
		every time.Duration
		do    func(context.Context) error
		due   time.Time
	}{
		{in.w.StampEvery, u.RaiseStamp, time.Time{}}, {in.w.StampEvery, u.RaiseFloor, time.Time{}},
		{in.w.CheckpointAge, u.Checkpoint, time.Time{}}, {in.w.TrimEvery, u.Trim, time.Time{}},
		{in.w.long(2 * time.Second), u.Expire, time.Time{}}, {in.w.SweepEvery, u.Sweep, time.Time{}},
		{in.w.long(time.Second), in.txns.Expire, time.Time{}},
		{in.w.SettleEvery, in.settles, time.Time{}}, {3 * in.w.SweepEvery, u.SweepSettled, time.Time{}},
		{in.w.Aging.Every, in.ages, time.Time{}},
	}
	for wait(ctx, d.between(in.w.long(20*time.Millisecond), in.w.long(250*time.Millisecond))) {
		in.holdsLittle(ctx)
		in.gate(&d)
		u.Observe()
		for i := range steps {
			if s := &steps[i]; !time.Now().Before(s.due) {
				_ = s.do(ctx) // it is tried again
				s.due = time.Now().Add(d.between(s.every/2, s.every*3/2))
			}
		}
	}
}

// settles where this instance is one of those that do: where all do, one that was paused finds everything done by others.
func (in *instance) settles(ctx context.Context) error {
	if in.number >= in.w.Settlers || in.w.calm.Load() {
		return nil
	}
	return in.settle.Run(ctx)
}

// settled is told of what settling did.
func (in *instance) settled(r settle.Report) {
	if r.Damaged > 0 && !in.isDead() {
		in.w.judge.Damaged(in.name(), r)
	}
}

// compare is asked at every revision that this instance folds.
func (in *instance) compare(l *ledger.Ledger) {
	if l.Revision()%in.w.judge.every == 0 && !in.isDead() {
		in.w.judge.Compare(in.name(), l)
	}
}

func (in *instance) name() string { return "instance " + string(rune('0'+in.number)) }
