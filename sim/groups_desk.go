package sim

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/coretest"
	"github.com/firnlog/firnlog/core/group"
)

// desk is one life of a coordinator of groups, the shipped one, with what it believes of the others.
type desk struct {
	*group.Coordinator
	w        *groupWorld
	node     int32
	life     int
	believes *coretest.Neighbours
	ctx      context.Context // ends with the life
	stop     context.CancelFunc
	member   struct {
		sync.Mutex
		next int
	}
	mu struct {
		sync.Mutex
		calls                 int
		dead                  bool
		pausedUntil, cutUntil time.Time
	}
}

func (w *groupWorld) newDesk(node int32, life int) *desk {
	everybody := make([]int32, w.Desks)
	for i := range everybody {
		everybody[i] = int32(i)
	}
	d := &desk{w: w, node: node, life: life, believes: coretest.NewNeighbours(node, everybody...)}
	d.ctx, d.stop = context.WithCancel(w.ctx)
	limits := group.DefaultLimits()
	limits.InitialDelay, limits.ConsumerSession, limits.ConsumerHeartbeat = time.Second, 6*time.Second, time.Second
	dice := throw(w.seed, "desk", int(node), life, "")
	skew := dice.between(-time.Hour, time.Hour)
	d.Coordinator = group.New(group.Settings{
		KV: deskKV{w.kv, d}, Keys: w.keys, View: w, Cluster: d.believes, Now: func() time.Time { return time.Now().Add(skew) }, Log: slog.New(slog.DiscardHandler),
		Limits: limits, OffsetsRetention: time.Hour, NewID: d.newID,
	})
	w.work.Go(func() { _ = d.Run(d.ctx) }) // ends with ctx alone
	return d
}

func (d *desk) newID() string {
	d.member.Lock()
	defer d.member.Unlock()
	d.member.next++
	return fmt.Sprintf("%d-%d-%d", d.node, d.life, d.member.next)
}

// learn brings what it believes of one node up to date.
func (d *desk) learn(node int32) {
	lives := d.w.truth(node)
	d.believes.Believe(int32(d.w.Desks), func(n int32, believed bool) bool {
		if n == node {
			return lives
		}
		return believed
	})
}

func (d *desk) learnLater(node int32, after time.Duration) {
	time.AfterFunc(after, func() { d.learn(node) })
}

// misbelieve: for a while it takes some of the others for dead, so that two may believe that they coordinate.
func (d *desk) misbelieve(dice *dice, most time.Duration) {
	d.believes.Believe(int32(d.w.Desks), func(_ int32, believed bool) bool { return believed && dice.chance(.3) })
	for n := range int32(d.w.Desks) {
		d.learnLater(n, most+time.Duration(n)*time.Microsecond)
	}
}

func (d *desk) isDead() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.mu.dead
}

func (d *desk) kill() {
	d.mu.Lock()
	d.mu.dead = true
	d.mu.Unlock()
	d.stop()
}

func (d *desk) pause(t time.Duration) {
	d.mu.Lock()
	d.mu.pausedUntil = time.Now().Add(t)
	d.mu.Unlock()
}

func (d *desk) cut(t time.Duration) { d.mu.Lock(); d.mu.cutUntil = time.Now().Add(t); d.mu.Unlock() }

func (d *desk) isCut() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return time.Now().Before(d.mu.cutUntil)
}

func (d *desk) heal() {
	d.mu.Lock()
	d.mu.pausedUntil, d.mu.cutUntil = time.Time{}, time.Time{}
	d.mu.Unlock()
	for n := range int32(d.w.Desks) {
		d.learn(n)
	}
}

// gate holds who acts for a paused coordinator, or asks it, until it goes on.
func (d *desk) gate(dice *dice) {
	for {
		d.mu.Lock()
		left := time.Until(d.mu.pausedUntil)
		dead := d.mu.dead
		d.mu.Unlock()
		if left <= 0 || dead {
			return
		}
		time.Sleep(min(left, time.Second) + dice.between(0, 3*time.Millisecond))
	}
}

// throw gives the dice of its next call.
func (d *desk) throw() dice {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.mu.calls++
	return throw(d.w.seed, "desk call", int(d.node)*1000+d.life, d.mu.calls, "")
}

func (w *groupWorld) chance(d *dice, p float64) bool { return !w.healed.Load() && d.chance(p) }

// way is how long a call travels in one direction.
func (w *groupWorld) way(d *dice) time.Duration {
	if w.chance(d, w.Slow) {
		w.counter.fault("slow")
		return d.between(50*time.Millisecond, 7*time.Second)
	}
	return d.between(100*time.Microsecond, 4*time.Millisecond)
}

// deskKV is the KV as one coordinator reaches it.
type deskKV struct {
	coordination.KV
	desk *desk
}

var errNoConnection = errors.New("no connection")

func (k deskKV) enter(ctx context.Context) (dice, error) {
	d := k.desk.throw()
	k.desk.gate(&d)
	if k.desk.isDead() || k.desk.isCut() || ctx.Err() != nil {
		wait(ctx, d.between(time.Millisecond, 30*time.Millisecond))
		return d, fmt.Errorf("%w: %w", coordination.ErrUnavailable, errNoConnection)
	}
	return d, nil
}

// home says whether an answer has come home.
func (k deskKV) home(ctx context.Context, d *dice) bool {
	if !wait(ctx, k.desk.w.way(d)) {
		return false
	}
	k.desk.gate(d)
	return ctx.Err() == nil && !k.desk.isDead() && !k.desk.isCut()
}

func deskRead[T any](ctx context.Context, k deskKV, do func() (T, error)) (out T, err error) {
	d, err := k.enter(ctx)
	if err != nil {
		return out, err
	}
	if wait(ctx, k.desk.w.way(&d)) {
		out, err = do()
	}
	if !k.home(ctx, &d) {
		var none T
		return none, fmt.Errorf("%w: %w", coordination.ErrUnavailable, errNoConnection)
	}
	return out, err
}

// Get implements coordination.KV.
func (k deskKV) Get(ctx context.Context, keys ...string) (coordination.Snapshot, error) {
	return deskRead(ctx, k, func() (coordination.Snapshot, error) { return k.KV.Get(context.Background(), keys...) })
}

// Read implements coordination.KV.
func (k deskKV) Read(ctx context.Context, ranges ...coordination.Range) ([]coordination.Page, error) {
	return deskRead(ctx, k, func() ([]coordination.Page, error) { return k.KV.Read(context.Background(), ranges...) })
}

// List implements coordination.KV.
func (k deskKV) List(ctx context.Context, r coordination.Range) (coordination.Page, error) {
	return deskRead(ctx, k, func() (coordination.Page, error) { return k.KV.List(context.Background(), r) })
}

// Commit implements coordination.KV: refused, done with the answer lost, done much later, or done.
func (k deskKV) Commit(ctx context.Context, guards []coordination.Guard, changes []coordination.Change, orElse ...string) (coordination.Result, error) {
	d, err := k.enter(ctx)
	if err != nil {
		return coordination.Result{}, err
	}
	w := k.desk.w
	unknown := fmt.Errorf("%w: %w", coordination.ErrUnknown, errNoConnection)
	land := func() (coordination.Result, error) {
		return k.KV.Commit(context.Background(), guards, changes, orElse...)
	}
	there := w.way(&d)
	switch {
	case w.chance(&d, w.Refused):
		w.counter.fault("commit refused")
		wait(ctx, there)
		return coordination.Result{}, fmt.Errorf("%w: %w", coordination.ErrUnavailable, errNoConnection)
	case w.chance(&d, w.Late):
		w.counter.fault("commit held back")
		time.AfterFunc(d.between(time.Millisecond, 10*time.Second), func() { _, _ = land() }) // nobody waits for the answer
		wait(ctx, there)
		return coordination.Result{}, unknown
	}
	lost := w.chance(&d, w.Lost)
	begun := time.Now()
	if !wait(ctx, there) {
		time.AfterFunc(there-time.Since(begun), func() { _, _ = land() }) // nobody waits for the answer
		return coordination.Result{}, unknown
	}
	res, err := land()
	if !k.home(ctx, &d) || lost {
		w.counter.fault("commit answer lost")
		return coordination.Result{}, unknown
	}
	return res, err
}
