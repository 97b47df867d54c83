package sim

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/firnlog/firnlog/coordination"
)

// faultyKV is the KV as one instance reaches it.
type faultyKV struct{ in *instance }

var _ coordination.KV = faultyKV{}

var errCut = errors.New("no connection")

func (k faultyKV) name(key string) string { return strings.TrimPrefix(key, k.in.w.keys.Root()) }

// enter begins a call; an error says that nothing was sent.
func (k faultyKV) enter(ctx context.Context, op, key string) (*call, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("%w: %w", coordination.ErrUnavailable, err)
	}
	if k.in.isDead() {
		return nil, fmt.Errorf("%w: %w", coordination.ErrUnavailable, errCut)
	}
	c := k.in.begin(op, k.name(key))
	if k.in.isCut() {
		wait(ctx, c.dice.between(time.Millisecond, 50*time.Millisecond))
		c.end("cut off")
		return nil, fmt.Errorf("%w: %w", coordination.ErrUnavailable, errCut)
	}
	return c, nil
}

// read runs a call without effect.
func (k faultyKV) read(ctx context.Context, op, key string, do func() error) error {
	c, err := k.enter(ctx, op, key)
	if err != nil {
		return err
	}
	fails := c.chance(k.in.w.Faults.ReadFails)
	there, back := c.latency(200*time.Microsecond, 4*time.Millisecond), c.latency(200*time.Microsecond, 4*time.Millisecond)
	if wait(ctx, there) {
		err = do()
	}
	if !c.back(ctx, back) || fails || k.in.isCut() {
		c.end("failed")
		return fmt.Errorf("%w: %s failed by fault", coordination.ErrUnavailable, op)
	}
	c.end("ok")
	return err
}

// Get implements coordination.KV.
func (k faultyKV) Get(ctx context.Context, keys ...string) (out coordination.Snapshot, err error) {
	err = k.read(ctx, "get", strings.Join(keys, ","), func() (err error) {
		out, err = k.in.w.kv.Get(context.Background(), keys...)
		return err
	})
	return out, err
}

// Read implements coordination.KV.
func (k faultyKV) Read(ctx context.Context, ranges ...coordination.Range) (out []coordination.Page, err error) {
	err = k.read(ctx, "read", ranges[0].Prefix, func() (err error) {
		out, err = k.in.w.kv.Read(context.Background(), ranges...)
		return err
	})
	return out, err
}

// List implements coordination.KV.
func (k faultyKV) List(ctx context.Context, r coordination.Range) (out coordination.Page, err error) {
	err = k.read(ctx, "list", r.Prefix, func() (err error) {
		out, err = k.in.w.kv.List(context.Background(), r)
		return err
	})
	return out, err
}

// Commit implements coordination.KV: refused, lost, done with the answer lost, done much
// later, or done.
func (k faultyKV) Commit(ctx context.Context, guards []coordination.Guard, changes []coordination.Change, orElse ...string) (coordination.Result, error) {
	c, err := k.enter(ctx, "commit", changes[0].Key)
	if err != nil {
		return coordination.Result{}, err
	}
	there, back := c.latency(200*time.Microsecond, 6*time.Millisecond), c.latency(200*time.Microsecond, 6*time.Millisecond)
	f := &k.in.w.Faults
	switch {
	case c.chance(f.CommitRefused):
		wait(ctx, there)
		c.end("refused")
		return coordination.Result{}, fmt.Errorf("%w: by fault", coordination.ErrUnavailable)
	case c.chance(f.CommitLost):
		c.back(ctx, there+back)
		c.end("lost")
		return coordination.Result{}, fmt.Errorf("%w: lost by fault", coordination.ErrUnknown)
	case c.chance(f.CommitLate):
		c.later(func() { k.late(c, "late", guards, changes) })
		c.back(ctx, there+back)
		c.end("held back")
		return coordination.Result{}, fmt.Errorf("%w: held back by fault", coordination.ErrUnknown)
	}
	lost := c.chance(f.CommitAnswerLost)
	begun := time.Now()
	if !wait(ctx, there) {
		time.AfterFunc(there-time.Since(begun), func() { k.late(c, "abandoned", guards, changes) })
		return coordination.Result{}, fmt.Errorf("%w: %w", coordination.ErrUnknown, context.Cause(ctx))
	}
	res, err := k.in.w.kv.Commit(context.Background(), guards, changes, orElse...)
	if !c.back(ctx, back) || lost || k.in.isCut() {
		c.end(fmt.Sprintf("answer lost: committed %v at %d", res.Committed, res.Revision))
		return coordination.Result{}, fmt.Errorf("%w: answer lost by fault", coordination.ErrUnknown)
	}
	if err == nil && !res.Committed {
		c.end(fmt.Sprintf("guard failed at %d", res.Revision))
		return res, nil
	}
	c.end("ok")
	return res, err
}

// late applies a commit that its sender has given up.
func (k faultyKV) late(c *call, when string, guards []coordination.Guard, changes []coordination.Change) {
	res, _ := k.in.w.kv.Commit(context.Background(), guards, changes) // nobody waits for the answer
	c.end(fmt.Sprintf("%s: committed %v at %d", when, res.Committed, res.Revision))
}

// Grant implements coordination.KV.
func (k faultyKV) Grant(ctx context.Context, ttl time.Duration) (coordination.Lease, error) {
	return k.in.w.kv.Grant(ctx, ttl)
}

// Watch implements coordination.KV.
func (k faultyKV) Watch(ctx context.Context, prefix string, from coordination.Revision) (coordination.Watcher, error) {
	c, err := k.enter(ctx, "watch", prefix)
	if err != nil {
		return nil, err
	}
	if !wait(ctx, c.latency(200*time.Microsecond, 4*time.Millisecond)) || c.chance(k.in.w.Faults.ReadFails) {
		c.end("failed")
		return nil, fmt.Errorf("%w: watch failed by fault", coordination.ErrUnavailable)
	}
	inner, err := k.in.w.kv.Watch(ctx, prefix, from)
	if err != nil {
		return nil, err
	}
	c.end("ok")
	r := &relay{c: c, inner: inner, out: make(chan coordination.Update)}
	go r.run(ctx)
	return r, nil
}

// relay brings the updates of a watch home, slowly, and breaks now and then. While
// its instance is frozen it takes nothing, so that the watch may be overtaken by a compaction.
type relay struct {
	c     *call
	inner coordination.Watcher
	out   chan coordination.Update
}

// Updates implements coordination.Watcher.
func (r *relay) Updates() <-chan coordination.Update { return r.out }

// RequestProgress implements coordination.Watcher.
func (r *relay) RequestProgress(ctx context.Context) error {
	c := r.c.in.begin("progress", "")
	if r.c.in.isCut() || c.chance(r.c.in.w.Faults.ProgressDropped) || !wait(ctx, c.dice.between(100*time.Microsecond, time.Millisecond)) {
		return nil
	}
	return r.inner.RequestProgress(ctx)
}

func (r *relay) run(ctx context.Context) {
	defer close(r.out)
	in := r.c.in
	for {
		var u coordination.Update
		select {
		case <-ctx.Done():
			return
		case next, ok := <-r.inner.Updates():
			if !ok {
				return
			}
			u = next
		}
		if !wait(ctx, r.c.latency(200*time.Microsecond, 4*time.Millisecond)) {
			return
		}
		for in.isCut() {
			if !wait(ctx, r.c.dice.between(50*time.Millisecond, 200*time.Millisecond)) {
				return
			}
		}
		if in.gate(&r.c.dice); ctx.Err() != nil {
			return // before the select below, which would choose by chance
		}
		if r.c.chance(in.w.Faults.WatchBreaks) {
			u = coordination.Update{Err: fmt.Errorf("%w: watch broken by fault", coordination.ErrUnavailable)}
			if r.c.dice.chance(.3) {
				u.Err = fmt.Errorf("%w: watch overtaken by fault", coordination.ErrCompacted)
			}
		}
		select {
		case <-ctx.Done():
			return
		case r.out <- u:
		}
		if u.Err != nil {
			in.w.transcript.note(time.Now(), in.number, "broken", "", u.Err.Error())
			return
		}
	}
}
