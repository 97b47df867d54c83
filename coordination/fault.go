package coordination

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"
)

// Fault makes a KV misbehave as etcd does behind a network, for tests and simulation. A
// function decides on every request and every update; Fault has no randomness and no timer of
// its own, so that whoever decides is in charge.
type Fault struct {
	kv     KV
	decide func(op Op, key string) Decision
	sleep  func(ctx context.Context, d time.Duration) error

	mu struct {
		sync.Mutex
		late   []lateCommit
		broken chan struct{} // closed by BreakWatches, and replaced
	}
}

// Decision is what happens to one request. The zero value lets it pass.
type Decision struct {
	// Delay comes first: a slow store, or a watch that lags.
	Delay time.Duration
	Fail  Failure
	// Err is what FailBefore returns (wrapped), and what ends a watch at an update; nil:
	// ErrUnavailable. ErrUnknown is for a Commit that was lost on its way.
	Err error
}

// Failure says where a request fails.
type Failure int

// Where a request fails. A read or the opening of a watch has no effect: it fails as in
// FailBefore. An update fails by ending its watch without being delivered; a request for
// progress by being dropped silently, as etcd does.
const (
	FailNever  Failure = iota
	FailBefore         // nothing happens
	FailAfter          // it happens, but the answer is lost: ErrUnknown for a Commit, else ErrUnavailable
	FailLate           // of a Commit: ErrUnknown, and it happens when Land is called; of others: FailAfter
)

type lateCommit struct {
	guards  []Guard
	changes []Change
	orElse  []string
}

// NewFault wraps kv. decide is called once a request, from many goroutines; key is the first key
// a Commit changes (or guards) or a Get reads, the prefix of a List or watch, and else empty. sleep
// waits for a Decision's Delay.
func NewFault(kv KV, decide func(op Op, key string) Decision, sleep func(ctx context.Context, d time.Duration) error) *Fault {
	f := &Fault{kv: kv, decide: decide, sleep: sleep}
	f.mu.broken = make(chan struct{})
	return f
}

// Late is the number of commits that have not landed yet.
func (f *Fault) Late() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.mu.late)
}

// Land applies the late commit number i (from 0, in the order of the requests). Its guards are
// evaluated now.
func (f *Fault) Land(ctx context.Context, i int) (Result, error) {
	f.mu.Lock()
	if i < 0 || i >= len(f.mu.late) {
		f.mu.Unlock()
		return Result{}, fmt.Errorf("land late commit %d: there is none", i)
	}
	c := f.mu.late[i]
	f.mu.late = slices.Delete(f.mu.late, i, i+1)
	f.mu.Unlock()
	res, err := f.kv.Commit(ctx, c.guards, c.changes, c.orElse...)
	if err != nil {
		return res, fmt.Errorf("land late commit: %w", err)
	}
	return res, nil
}

// BreakWatches ends all open watches with ErrUnavailable.
func (f *Fault) BreakWatches() {
	f.mu.Lock()
	defer f.mu.Unlock()
	close(f.mu.broken)
	f.mu.broken = make(chan struct{})
}

// Get is KV's, as decided.
func (f *Fault) Get(ctx context.Context, keys ...string) (Snapshot, error) {
	if err := f.read(ctx, OpGet, first(keys)); err != nil {
		return Snapshot{}, err
	}
	return f.kv.Get(ctx, keys...)
}

// List is KV's, as decided.
func (f *Fault) List(ctx context.Context, r Range) (Page, error) {
	if err := f.read(ctx, OpList, r.Prefix); err != nil {
		return Page{}, err
	}
	return f.kv.List(ctx, r)
}

// Read is KV's, as decided by the first range.
func (f *Fault) Read(ctx context.Context, ranges ...Range) ([]Page, error) {
	key := ""
	if len(ranges) > 0 {
		key = ranges[0].Prefix
	}
	if err := f.read(ctx, OpRead, key); err != nil {
		return nil, err
	}
	return f.kv.Read(ctx, ranges...)
}

// Commit is KV's, as decided. What is refused whatever the store holds is always refused.
func (f *Fault) Commit(ctx context.Context, guards []Guard, changes []Change, orElse ...string) (Result, error) {
	if err := CheckCommit(guards, changes, orElse); err != nil {
		return Result{}, fmt.Errorf("commit: %w", err)
	}
	key := commitKey(guards, changes)
	d := f.decide(OpCommit, key)
	if err := f.pause(ctx, d.Delay); err != nil {
		return Result{}, err
	}
	switch d.Fail {
	case FailBefore:
		return Result{}, refuse(OpCommit, key, d.Err)
	case FailAfter:
		res, err := f.kv.Commit(ctx, guards, changes, orElse...)
		return Result{}, fmt.Errorf("commit %s: %w: answer lost by fault (it was %t, %s)", key, ErrUnknown, res.Committed, hidden(err))
	case FailLate:
		late := keep(guards, changes, orElse)
		f.mu.Lock()
		f.mu.late = append(f.mu.late, late)
		f.mu.Unlock()
		return Result{}, fmt.Errorf("commit %s: %w: held back by fault", key, ErrUnknown)
	}
	return f.kv.Commit(ctx, guards, changes, orElse...)
}

// keep makes a commit independent of what the caller does with its arguments later.
func keep(guards []Guard, changes []Change, orElse []string) lateCommit {
	late := lateCommit{slices.Clone(guards), slices.Clone(changes), slices.Clone(orElse)}
	for i := range late.guards {
		late.guards[i].Val = bytes.Clone(late.guards[i].Val)
	}
	for i := range late.changes {
		late.changes[i].Value = bytes.Clone(late.changes[i].Value)
	}
	return late
}

// Grant is KV's, as decided; so are Renew and Revoke of its lease.
func (f *Fault) Grant(ctx context.Context, ttl time.Duration) (Lease, error) {
	var granted Lease
	err := f.change(ctx, OpGrant, func() (err error) {
		granted, err = f.kv.Grant(ctx, ttl)
		return err
	})
	if err != nil {
		return nil, err
	}
	return faultyLease{granted, f}, nil
}

type faultyLease struct {
	Lease
	fault *Fault
}

func (l faultyLease) Renew(ctx context.Context) error {
	return l.fault.change(ctx, OpRenew, func() error { return l.Lease.Renew(ctx) })
}

func (l faultyLease) Revoke(ctx context.Context) error {
	return l.fault.change(ctx, OpRevoke, func() error { return l.Lease.Revoke(ctx) })
}

// change makes a request that may be repeated: its outcome needs no class of its own.
func (f *Fault) change(ctx context.Context, op Op, now func() error) error {
	d := f.decide(op, "")
	if err := f.pause(ctx, d.Delay); err != nil {
		return err
	}
	switch d.Fail {
	case FailNever:
		return now()
	case FailBefore:
		return refuse(op, "", d.Err)
	}
	err := now()
	return fmt.Errorf("%s: %w: answer lost by fault (it was %s)", op, ErrUnavailable, hidden(err))
}

func (f *Fault) read(ctx context.Context, op Op, key string) error {
	d := f.decide(op, key)
	if err := f.pause(ctx, d.Delay); err != nil {
		return err
	}
	if d.Fail != FailNever {
		return refuse(op, key, d.Err)
	}
	return nil
}

// pause ends early with its context: nothing was sent yet.
func (f *Fault) pause(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	if err := f.sleep(ctx, d); err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return nil
}

func refuse(op Op, key string, err error) error {
	if err == nil {
		err = ErrUnavailable
	}
	return fmt.Errorf("%s %s: fault: %w", op, key, err)
}

// hidden gives the text of an error whose class the caller must not learn: its answer was lost.
func hidden(err error) string { return fmt.Sprint(err) }

func commitKey(guards []Guard, changes []Change) string {
	switch {
	case len(changes) > 0:
		return changes[0].Key
	case len(guards) > 0:
		return guards[0].Key
	}
	return ""
}

func first(keys []string) string {
	if len(keys) == 0 {
		return ""
	}
	return keys[0]
}
