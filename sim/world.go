package sim

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/firnlog/firnlog/coordination"
	kvmemory "github.com/firnlog/firnlog/coordination/memory"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/objectstore/memory"
	"github.com/firnlog/firnlog/sim/queues"
	"github.com/firnlog/firnlog/sim/replay"
)

// world is one history.
type world struct {
	Settings
	seed       uint64
	keys       coordination.Keys
	kv         *kvmemory.KV
	store      *memory.Store
	other      *memory.Store // for what has become old, in some
	judge      *Judge
	transcript *transcript
	counter
	shared   *shared
	quiet    atomic.Bool // faults have healed
	upgraded atomic.Bool // nobody may serve any more
	calm     atomic.Bool // nothing is settled any more: what is unreferenced stays so, and must go
	log      *slog.Logger
	over     context.CancelFunc // ends the history at the first violation
	ctx      context.Context    // ends with it
	storm    storm
	nextUID  atomic.Int64
	queue    *queue // nil: there is none
	mu       struct {
		sync.Mutex
		instances  []*instance
		counts     map[counted]int
		violations []Violation
		jumps      time.Duration  // of clocks, all together
		times      map[int64]bool // that a batch has
	}
}

// Report is what became of a history.
type Report struct {
	Seed       uint64
	Settings   Settings
	Violations []Violation
	Counts     Counts
	Calls      int
	Faults     int
	Tally      Tally
	Queue      *queues.Report // nil: there was none, or it did not come to its end
	entries    []entry
}

// Run runs the history of a seed in a bubble of its own, and stops at the first violation.
// tune, if not nil, changes the settings that the seed has drawn.
func Run(t *testing.T, seed uint64, tune func(*Settings)) *Report {
	r := &Report{Seed: seed, Settings: Draw(seed)}
	if tune != nil {
		tune(&r.Settings)
	}
	var w *world
	synctest.Test(t, func(*testing.T) {
		replay.Seed(seed)
		w = newWorld(seed, r.Settings)
		w.live()
		r.Violations = w.mu.violations
		r.Counts = w.judge.Counts()
		r.entries = w.transcript.sorted()
		r.Calls, r.Faults = len(r.entries), w.transcript.mu.faults
		r.Tally = w.tally(time.Since(w.transcript.begin), r.Counts.Transactions)
		if w.queue != nil && w.queue.read.Load() {
			r.Queue = w.queue.check()
		}
		time.Sleep(time.Minute) // what waits for a timer alone comes to its end
	})
	switch {
	case len(r.Violations) > 0 || slices.Contains(r.Settings.Blind, everything):
	case w.queue != nil:
		r.linearizableQueues(&queues.History{Ops: w.queue.Ops()})
	default:
		r.linearizable(w.shared.ops())
	}
	return r
}

func newWorld(seed uint64, s Settings) *world {
	w := &world{Settings: s, seed: seed, keys: coordination.NewKeys("sim"), store: memory.New(), other: memory.New(), transcript: &transcript{begin: time.Now()}}
	w.transcript.count, w.shared = &w.counter, newShared()
	w.mu.counts, w.mu.times = map[counted]int{}, map[int64]bool{}
	w.judge = NewJudge(w.keys, w.violated, func(partition, what string) { w.transcript.note(time.Now(), -1, "batch", partition, what) })
	w.judge.moved = w.retained
	w.kv = kvmemory.New(kvmemory.Settings{OnCommit: func(rev coordination.Revision, events []coordination.Event) {
		w.judge.Revision(rev, events)
		w.transcript.note(time.Now(), -1, "revision", fmt.Sprint(rev), "")
	}})
	if os.Getenv("FIRNLOG_SIM_LOG") != "" {
		w.log = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	return w
}

// everything, as the name of a checker, is all of them.
const everything = "everything"

func (w *world) violated(v Violation) {
	if slices.Contains(w.Blind, v.Checker) || slices.Contains(w.Blind, everything) {
		return
	}
	w.mu.Lock()
	w.mu.violations = append(w.mu.violations, v)
	w.mu.Unlock()
	w.transcript.note(time.Now(), -1, "VIOLATION", v.Key, v.Checker+": "+v.What)
	w.over()
}

func (w *world) count(c counted) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.mu.counts[c]++
	return w.mu.counts[c]
}

// live is the whole history: faults and clients, healing, rest, and the last reading.
func (w *world) live() {
	ctx, over := context.WithCancel(context.Background())
	defer over()
	w.ctx, w.over = ctx, over
	var clients, admins sync.WaitGroup
	for i := range w.Instances {
		w.mu.instances = append(w.mu.instances, w.born(ctx, i, 0))
	}
	w.createTopics(ctx)
	if w.Queue != (QueueSettings{}) {
		w.queue = w.newQueue()
		w.queue.create(ctx)
	}
	busy, calm := context.WithTimeout(ctx, w.Chaos)
	defer calm()
	for i := range w.Plain {
		clients.Go(func() { w.plain(ctx, i) })
	}
	for i := range w.Idempotent {
		clients.Go(func() { w.idempotent(ctx, i) })
	}
	for i := range w.Transactional {
		clients.Go(func() { w.transactional(ctx, i) })
	}
	for i := range w.Consumers {
		admins.Go(func() { w.consumer(busy, i) })
	}
	if w.queue != nil {
		w.queue.start(ctx, busy, &clients, &admins)
	}
	admins.Go(func() { w.administer(busy) })
	admins.Go(func() { w.audit(busy) })
	w.chaos(busy, ctx)
	w.heal(ctx)
	w.await(ctx, "clients", w.long(40*time.Second), func() { clients.Wait(); admins.Wait() })
	w.rest(ctx)
	w.upgrade(ctx)
	over()
	clients.Wait()
	admins.Wait()
	if w.queue != nil {
		w.queue.work.Wait()
	}
	for _, in := range w.mu.instances {
		if !in.isDead() {
			in.kill(0)
		}
		in.done.Wait()
	}
}

// born starts a life of an instance.
func (w *world) born(ctx context.Context, number, life int) *instance {
	skew := time.Duration(0)
	if number == w.Instances-1 {
		skew = w.SkewFirst + time.Duration(life)*w.SkewStep
	}
	in := newInstance(w, number, life, skew)
	in.start(ctx)
	w.transcript.note(time.Now(), number, "born", fmt.Sprint(life), "")
	return in
}

// await says what is stuck when do takes too long.
func (w *world) await(ctx context.Context, what string, most time.Duration, do func()) {
	done := make(chan struct{})
	go func() { do(); close(done) }()
	t := time.NewTimer(most)
	defer t.Stop()
	select {
	case <-done:
	case <-ctx.Done():
	case <-t.C:
		w.judge.Stuck(what)
	}
}

// pick gives an instance that is not dead; it may be paused or cut off.
func (w *world) pick(d *dice) *instance {
	w.mu.Lock()
	defer w.mu.Unlock()
	for range 20 {
		if in := w.mu.instances[d.below(len(w.mu.instances))]; !in.isDead() {
			return in
		}
	}
	return w.mu.instances[0]
}

// others are the partitions that are alive, without those of the queue: what happens there is of its history alone.
func (w *world) others() []record.TopicPartition {
	return slices.DeleteFunc(w.judge.Partitions(), func(tp record.TopicPartition) bool { return w.queue != nil && tp.Topic == w.queue.id })
}

// live instances.
func (w *world) all() (out []*instance) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, in := range w.mu.instances {
		if !in.isDead() {
			out = append(out, in)
		}
	}
	return out
}

// heal ends all faults.
func (w *world) heal(ctx context.Context) {
	w.quiet.Store(true)
	for _, in := range w.all() {
		in.heal()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for i, in := range w.mu.instances {
		if in.isDead() {
			w.mu.instances[i] = w.born(ctx, i, in.life+1)
		}
	}
}
