// Package upkeep is the maintenance that keeps the protocol whole: it raises
// stamp and floor, checkpoints heads, trims commits, expires producers, and
// says when to sweep (core/sweep).
//
// Each step is bounded and may be run by any number of instances at once: a
// lease saves the cost of doing things twice, and safety never rests on it.
//
// Owns: when and what to maintain. Does not own: the encodings (core/ledger)
// or the view of the log (core/stream).
package upkeep

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/duty"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/stream"
	"github.com/firnlog/firnlog/core/sweep"
	"github.com/firnlog/firnlog/objectstore"
)

// Settings of an Upkeep. Defaults says what is usual.
type Settings struct {
	Store  objectstore.Store
	KV     coordination.KV
	Keys   coordination.Keys
	Stream *stream.Stream
	Now    func() time.Time
	Log    *slog.Logger
	Holder string // who holds the duty, for people who look

	Tick           time.Duration // how often the loop looks
	StampEvery     time.Duration
	Lag            time.Duration // how long a stamp stands before the floor may be raised to it
	CheckpointAge  time.Duration // commits older than this are covered by checkpoints
	TrimEvery      time.Duration
	SweepEvery     time.Duration // of segments and shared objects
	SettledEvery   time.Duration // of sweep in the folders of partitions
	SweepGrace     time.Duration // between the two rounds that must find an object unreferenced
	ProducerExpiry time.Duration // producer.id.expiration.ms
	LeaseTTL       time.Duration

	// More are steps of other parts, done under the same lease. Those in Beside take long: each runs beside the others, as sweep
	// does, and never holds up a checkpoint.
	More, Beside []Step
	// Done is told of each step that ended; may be nil.
	Done func(step string, took time.Duration, err error)
	// TooLarge is told of a partition whose head does not fit into etcd, so that it is settled first; may be nil.
	TooLarge func(record.TopicPartition)

	// Retained calls refer for every commit and every head (keys as in etcd) of the retained backups and of the journal
	// behind them; sweep keeps what these name, as it keeps what etcd names. Nil: there are none.
	Retained func(ctx context.Context, refer func(coordination.Item) error) error
	// Outlived lists backups and journal objects that are needed no more, of those with ids above since and at or
	// below floor; sweep deletes them. Nil: there are none.
	Outlived func(ctx context.Context, since, floor coordination.Mark) ([]string, error)
}

// Step is one kind of maintenance: bounded, and harmless when two instances do it at once.
type Step struct {
	Name  string
	Every time.Duration
	Do    func(context.Context) error
}

// Defaults fills in the usual times.
func (s Settings) Defaults() Settings {
	s.Tick, s.StampEvery, s.Lag = time.Second, 5*time.Second, 60*time.Second
	s.CheckpointAge, s.TrimEvery = 15*time.Second, 5*time.Second
	s.SweepEvery, s.SettledEvery, s.SweepGrace = 10*time.Minute, 6*time.Hour, 10*time.Minute
	s.ProducerExpiry, s.LeaseTTL = 24*time.Hour, 15*time.Second
	return s
}

// Upkeep holds what the steps remember between them; losing it only delays things.
type Upkeep struct {
	Settings
	sweeper *sweep.Sweeper
	holds   atomic.Bool // the duty, at the last tick
	mu      struct {
		sync.Mutex
		samples  []sample // what stood when, oldest first
		observed int      // samples ever taken
		behind   sample   // when this clock was first found behind the stamp
	}
}

// sample is what the log looked like at a time of this process's clock.
type sample struct {
	at    time.Time
	rev   coordination.Revision
	stamp coordination.Mark
	era   string
}

// New makes an Upkeep; Run starts it, or call its steps.
func New(s Settings) *Upkeep {
	u := &Upkeep{Settings: s}
	u.sweeper = sweep.New(sweep.Settings{
		Store: s.Store, KV: s.KV, Keys: s.Keys, Stream: s.Stream, Now: s.Now, Log: s.Log, RaiseFloor: u.RaiseFloor,
		Grace: s.SweepGrace, Pace: sweepPace, Retained: s.Retained, Outlived: s.Outlived,
	})
	return u
}

// Run repeats the steps under the lease until ctx ends. Those that take long run beside the others and never hold up a
// checkpoint.
func (u *Upkeep) Run(ctx context.Context) error {
	d := duty.New(duty.Settings{KV: u.KV, Key: u.Keys.Lease("upkeep"), Holder: u.Holder, TTL: u.LeaseTTL, Now: u.Now})
	defer d.Leave()
	var beside sync.WaitGroup
	defer beside.Wait()
	idle := map[string]chan struct{}{} // holds one while the step before is over
	tick := time.NewTicker(u.Tick)
	defer tick.Stop()
	last := map[string]time.Time{}
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
		u.Observe()
		held := d.Held(ctx)
		if u.holds.Store(held); !held {
			continue
		}
		due := func(s *Step) bool { return u.Now().Sub(last[s.Name]) >= s.Every }
		for _, s := range u.steps() {
			if due(&s) {
				last[s.Name] = u.Now()
				u.run(ctx, s)
			}
		}
		for _, s := range u.beside() {
			over := idle[s.Name]
			if over == nil {
				over = make(chan struct{}, 1)
				over <- struct{}{}
				idle[s.Name] = over
			}
			if !due(&s) {
				continue
			}
			select {
			case <-over:
				last[s.Name] = u.Now()
				beside.Go(func() {
					u.run(ctx, s)
					over <- struct{}{}
				})
			default: // the one before is not over
			}
		}
	}
}

// Holds says whether this instance does the maintenance.
func (u *Upkeep) Holds() bool { return u.holds.Load() }

// beside are the steps that may take long.
func (u *Upkeep) beside() []Step {
	return append([]Step{{"sweep", u.SweepEvery, u.Sweep}, {"sweep settled", u.SettledEvery, u.SweepSettled}}, u.Beside...)
}

func (u *Upkeep) run(ctx context.Context, s Step) {
	started := u.Now()
	err := s.Do(ctx)
	if u.Done != nil && ctx.Err() == nil {
		u.Done(s.Name, u.Now().Sub(started), err)
	}
	if err != nil && ctx.Err() == nil && !errors.Is(err, stream.ErrNotReady) {
		u.Log.Warn("maintenance step failed, it will be tried again", "step", s.Name, "error", err)
	}
}

func (u *Upkeep) steps() []Step {
	return append([]Step{
		{"stamp", u.StampEvery, u.RaiseStamp},
		{"floor", u.StampEvery, u.RaiseFloor},
		{"checkpoint", u.Tick, u.Checkpoint},
		{"trim", u.TrimEvery, u.Trim},
		{"expire", max(u.ProducerExpiry/24, u.Tick), u.Expire},
	}, u.More...)
}

// thinEvery is after how many samples the older ones are thinned out.
const thinEvery = 256

// Observe notes what stands now, so that steps can tell how long it has stood.
func (u *Upkeep) Observe() {
	var s sample
	s.at = u.Now()
	if u.Stream.View(func(l *ledger.Ledger) { s.rev, s.stamp, s.era = l.Revision(), l.Stamp(), l.Era() }) != nil {
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if n := len(u.mu.samples); n > 0 && s.era != u.mu.samples[n-1].era {
		u.mu.samples = u.mu.samples[:0] // neither its revisions nor its time count any more
	}
	u.mu.samples = append(u.mu.samples, s)
	if u.mu.observed++; u.mu.observed%thinEvery == 0 {
		u.mu.samples = thin(u.mu.samples, s.at)
	}
}

// thin keeps samples a sixty-fourth of their age apart: fine for the lag, enough for a day, and some
// hundreds in all.
func thin(samples []sample, now time.Time) []sample {
	kept := samples[:0]
	for i, s := range samples {
		if i == 0 || i == len(samples)-1 || samples[i+1].at.Sub(kept[len(kept)-1].at) > now.Sub(s.at)/64 {
			kept = append(kept, s)
		}
	}
	return kept
}

// stoodFor gives the newest sample that is at least d old.
func (u *Upkeep) stoodFor(d time.Duration) (s sample, ok bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	limit := u.Now().Add(-d)
	for i := len(u.mu.samples) - 1; i >= 0; i-- {
		if !u.mu.samples[i].at.After(limit) {
			return u.mu.samples[i], true
		}
	}
	return sample{}, false
}

// commit writes one transaction with the format guard that all of them share, and waits to see it.
// done is false when a guard failed.
//
// format is log/format as it was when what is written was read from the ledger, not as it is now: revisions repeat in
// an etcd that was rebuilt, so what was concluded in one era fits another's by chance.
func (u *Upkeep) commit(ctx context.Context, format []byte, guards []coordination.Guard, changes []coordination.Change) (done bool, err error) {
	if format == nil {
		return false, stream.ErrNotReady
	}
	res, err := u.KV.Commit(ctx, append(guards, coordination.ValueIs(u.Keys.Format(), format)), changes)
	if err != nil {
		return false, fmt.Errorf("commit: %w", err)
	}
	if !res.Committed {
		return false, nil
	}
	return true, u.Stream.WaitRevision(ctx, res.Revision)
}
