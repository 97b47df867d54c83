package objectstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// Fault makes a store misbehave as object stores do, for tests and simulation. A
// function decides on every request; Fault has no randomness, no goroutine
// and no timer of its own, so that whoever decides is in charge.
type Fault struct {
	store  Store
	decide func(op Op, key string) Decision
	sleep  func(ctx context.Context, d time.Duration) error
	mu     struct {
		sync.Mutex
		late   []lateEffect
		newest []string // keys in the order of their Puts; the last newestMax
	}
}

// Decision is what happens to one request. The zero value lets it pass.
type Decision struct {
	// Delay comes first: a slow store.
	Delay time.Duration
	Fail  Failure
	// Err is what FailBefore returns (wrapped); nil: ErrUnavailable.
	Err error
	// Hide makes a List blind to the newest so many Puts (at most 1000): a
	// listing that lags.
	Hide int
}

// Failure says where a request fails.
type Failure int

// Where a request fails. A read has no effect: it fails as in FailBefore.
const (
	FailNever  Failure = iota
	FailBefore         // nothing happens, and the caller knows
	FailAfter          // it happens, and the caller gets ErrUnknown
	FailLate           // the caller gets ErrUnknown; it happens when Land is called
)

type lateEffect struct {
	key   string
	apply func(ctx context.Context) error
}

const newestMax = ListLimitMax

// NewFault wraps store. decide is called once a request, from many
// goroutines; key is the prefix of a List and the first key of a Delete.
func NewFault(store Store, decide func(op Op, key string) Decision, clock Clock) *Fault {
	return &Fault{store: store, decide: decide, sleep: clock.Sleep}
}

// Late is the number of effects that have not landed yet.
func (f *Fault) Late() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.mu.late)
}

// Land applies the late effect number i (from 0, in the order of the requests) and
// says on which key. A late Put that finds its key taken changes nothing.
func (f *Fault) Land(ctx context.Context, i int) (key string, err error) {
	f.mu.Lock()
	if i < 0 || i >= len(f.mu.late) {
		f.mu.Unlock()
		return "", fmt.Errorf("land late effect %d: there is none", i)
	}
	effect := f.mu.late[i]
	f.mu.late = slices.Delete(f.mu.late, i, i+1)
	f.mu.Unlock()
	if err := effect.apply(ctx); err != nil && !errors.Is(err, ErrExists) {
		return effect.key, fmt.Errorf("land late effect on %s: %w", effect.key, err)
	}
	return effect.key, nil
}

// Put is Store's, as decided.
func (f *Fault) Put(ctx context.Context, key string, body ...[]byte) error {
	return f.change(ctx, OpPut, key, func() func(context.Context) error {
		whole := bytes.Join(body, nil) // the chunks are ours only until Put returns
		return func(ctx context.Context) error { return f.put(ctx, key, whole) }
	}, func() error { return f.put(ctx, key, body...) })
}

// Get is Store's, as decided.
func (f *Fault) Get(ctx context.Context, key string, offset, length int64) ([]byte, error) {
	if _, err := f.read(ctx, OpGet, key); err != nil {
		return nil, err
	}
	return f.store.Get(ctx, key, offset, length)
}

// List is Store's, as decided.
func (f *Fault) List(ctx context.Context, prefix, after string, limit int) ([]Info, error) {
	d, err := f.read(ctx, OpList, prefix)
	if err != nil || d.Hide <= 0 {
		if err == nil {
			return f.store.List(ctx, prefix, after, limit)
		}
		return nil, err
	}
	return f.laggingList(ctx, d.Hide, prefix, after, limit)
}

// Delete is Store's, as decided.
func (f *Fault) Delete(ctx context.Context, keys ...string) error {
	if len(keys) == 0 {
		return f.store.Delete(ctx)
	}
	return f.change(ctx, OpDelete, keys[0], func() func(context.Context) error {
		own := slices.Clone(keys)
		return func(ctx context.Context) error { return f.store.Delete(ctx, own...) }
	}, func() error { return f.store.Delete(ctx, keys...) })
}

// change runs a request that has an effect. keep makes the effect independent of
// what the caller does with its arguments later.
func (f *Fault) change(ctx context.Context, op Op, key string, keep func() func(context.Context) error, now func() error) error {
	d := f.decide(op, key)
	if err := f.pause(ctx, d.Delay); err != nil {
		return err
	}
	switch d.Fail {
	case FailBefore:
		return refuse(op, key, d.Err)
	case FailAfter:
		lost := "success"
		if err := now(); err != nil {
			lost = err.Error() // as text: the caller must not learn its class
		}
		return fmt.Errorf("%s %s: %w: answer lost by fault: %s", op, key, ErrUnknown, lost)
	case FailLate:
		effect := lateEffect{key: key, apply: keep()}
		f.mu.Lock()
		f.mu.late = append(f.mu.late, effect)
		f.mu.Unlock()
		return fmt.Errorf("%s %s: %w: held back by fault", op, key, ErrUnknown)
	}
	return now()
}

func (f *Fault) read(ctx context.Context, op Op, key string) (Decision, error) {
	d := f.decide(op, key)
	if err := f.pause(ctx, d.Delay); err != nil {
		return d, err
	}
	if d.Fail != FailNever {
		return d, refuse(op, key, d.Err)
	}
	return d, nil
}

func (f *Fault) pause(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	return f.sleep(ctx, d)
}

func refuse(op Op, key string, err error) error {
	if err == nil {
		err = ErrUnavailable
	}
	return fmt.Errorf("%s %s: fault: %w", op, key, err)
}

// put also remembers the key, for listings that lag.
func (f *Fault) put(ctx context.Context, key string, body ...[]byte) error {
	if err := f.store.Put(ctx, key, body...); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.mu.newest = append(f.mu.newest, key)
	if len(f.mu.newest) > newestMax {
		f.mu.newest = slices.Delete(f.mu.newest, 0, len(f.mu.newest)-newestMax)
	}
	return nil
}

// laggingList asks on until it has limit objects that are not hidden: a short page
// would say that the listing ends.
func (f *Fault) laggingList(ctx context.Context, hide int, prefix, after string, limit int) ([]Info, error) {
	hidden := f.newest(hide)
	var visible []Info
	for {
		page, err := f.store.List(ctx, prefix, after, limit)
		if err != nil {
			return nil, err
		}
		for _, info := range page {
			after = info.Key
			if _, skip := hidden[info.Key]; !skip && len(visible) < limit {
				visible = append(visible, info)
			}
		}
		if len(page) < limit || len(visible) == limit {
			return visible, nil
		}
	}
}

func (f *Fault) newest(n int) map[string]struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	hidden := make(map[string]struct{}, n)
	for _, key := range f.mu.newest[max(0, len(f.mu.newest)-n):] {
		hidden[key] = struct{}{}
	}
	return hidden
}
