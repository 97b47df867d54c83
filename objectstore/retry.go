package objectstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"
)

// Retry repeats requests that failed for a while, and keeps the classes of
// errors honest over several attempts.
//
// The flow of a Put:
//
//  1. An attempt that is definite (nil, ErrExists at first, refused for good) ends it.
//  2. ErrUnavailable, ErrUnknown and an attempt that ran out of AttemptMax
//     are repeated after a sleep, until TotalMax or ctx ends.
//  3. Once an attempt was ErrUnknown there is doubt. ErrExists may then be the
//     answer to our own first attempt, which landed although its answer was
//     lost: the object is read back. The same bytes are success; others are
//     ErrExists, and it was never us.
//  4. If doubt is left at the end, the result wraps ErrUnknown whatever the last
//     attempt said: a refused second attempt says nothing about the first.
//
// Rejected: comparing sizes or ETags only (a HEAD saves a read that hardly
// ever happens, and two writers' objects may well have one size); leaving
// retries to the SDKs (they repeat a conditional Put and hand its 412 on as
// if another writer had been first).
type Retry struct {
	store  Store
	policy RetryPolicy
	clock  Clock
	random func() float64
}

// RetryPolicy bounds a Retry.
type RetryPolicy struct {
	// BackoffMin is the longest first sleep; it doubles up to BackoffMax. Every
	// sleep is drawn evenly from zero to that (full jitter), so that many
	// instances do not come back together.
	BackoffMin, BackoffMax time.Duration
	// AttemptMax bounds one request, by the runtime's clock. 0: not bounded.
	AttemptMax time.Duration
	// TotalMax bounds a call with all its attempts and sleeps. 0: only by ctx.
	TotalMax time.Duration
}

// DefaultRetryPolicy suits a store behind a network.
func DefaultRetryPolicy() RetryPolicy {
	return RetryPolicy{
		BackoffMin: 50 * time.Millisecond,
		BackoffMax: 2 * time.Second,
		AttemptMax: 15 * time.Second,
		TotalMax:   60 * time.Second,
	}
}

// Clock is the time that decorators see.
type Clock struct {
	Now func() time.Time
	// Sleep returns early, with ctx's error, when ctx ends.
	Sleep func(ctx context.Context, d time.Duration) error
}

// SystemClock is the runtime's time; in a testing/synctest bubble the bubble's.
func SystemClock() Clock { return Clock{Now: time.Now, Sleep: sleep} }

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// NewRetry wraps store. random gives evenly distributed numbers in [0, 1) and
// is called from many goroutines.
func NewRetry(store Store, policy RetryPolicy, clock Clock, random func() float64) *Retry {
	return &Retry{store: store, policy: policy, clock: clock, random: random}
}

// Put is Store's, repeated.
func (r *Retry) Put(ctx context.Context, key string, body ...[]byte) error {
	doubt := false
	return r.repeat(ctx, OpPut, key, func(ctx context.Context) error {
		err := r.store.Put(ctx, key, body...)
		if doubt && errors.Is(err, ErrExists) {
			err = r.compare(ctx, key, body)
		}
		doubt = doubt || errors.Is(err, ErrUnknown)
		return err
	})
}

// Get is Store's, repeated.
func (r *Retry) Get(ctx context.Context, key string, offset, length int64) (data []byte, err error) {
	err = r.repeat(ctx, OpGet, key, func(ctx context.Context) (err error) {
		data, err = r.store.Get(ctx, key, offset, length)
		return err
	})
	return data, err
}

// List is Store's, repeated.
func (r *Retry) List(ctx context.Context, prefix, after string, limit int) (infos []Info, err error) {
	err = r.repeat(ctx, OpList, prefix, func(ctx context.Context) (err error) {
		infos, err = r.store.List(ctx, prefix, after, limit)
		return err
	})
	return infos, err
}

// Delete is Store's, repeated.
func (r *Retry) Delete(ctx context.Context, keys ...string) error {
	if len(keys) == 0 {
		return nil
	}
	return r.repeat(ctx, OpDelete, keys[0], func(ctx context.Context) error {
		return r.store.Delete(ctx, keys...)
	})
}

// repeat runs attempts until one is definite or time is up.
func (r *Retry) repeat(ctx context.Context, op Op, key string, attempt func(context.Context) error) error {
	started := r.clock.Now()
	doubt := false
	for tries := 1; ; tries++ {
		err := r.once(ctx, started, attempt)
		if err == nil {
			return nil
		}
		doubt = doubt || errors.Is(err, ErrUnknown)
		again := retriable(ctx, err)
		if doubt {
			err = inDoubt(err)
		}
		if !again {
			return err
		}
		d := time.Duration(r.random() * float64(r.backoff(tries)))
		if left, bounded := r.left(started); bounded && d >= left {
			return fmt.Errorf("%s %s: gave up after %d tries: %w", op, key, tries, err)
		}
		if ended := r.clock.Sleep(ctx, d); ended != nil {
			return fmt.Errorf("%s %s: %w after %d tries: %w", op, key, ended, tries, err)
		}
	}
}

// once runs one attempt within AttemptMax and what is left of TotalMax. A
// deadline that was not ctx's own says that the store is slow.
func (r *Retry) once(ctx context.Context, started time.Time, attempt func(context.Context) error) error {
	limit := r.policy.AttemptMax
	if limit == 0 {
		return attempt(ctx)
	}
	if left, bounded := r.left(started); bounded {
		limit = min(limit, left)
	}
	bounded, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	err := attempt(bounded)
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil && !errors.Is(err, ErrUnknown) {
		return fmt.Errorf("%w: no answer within %v: %w", ErrUnavailable, limit, err)
	}
	return err
}

func (r *Retry) left(started time.Time) (left time.Duration, bounded bool) {
	return r.policy.TotalMax - r.clock.Now().Sub(started), r.policy.TotalMax > 0
}

// backoff is the longest sleep after so many tries.
func (r *Retry) backoff(tries int) time.Duration {
	d := r.policy.BackoffMin
	for range tries - 1 {
		if d >= r.policy.BackoffMax {
			break
		}
		d *= 2
	}
	return min(d, r.policy.BackoffMax)
}

// retriable says that a further attempt can help.
func retriable(ctx context.Context, err error) bool {
	if ctx.Err() != nil {
		return false
	}
	return errors.Is(err, ErrUnavailable) || errors.Is(err, ErrUnknown)
}

// inDoubt gives an error that follows an unknown outcome its class. It must not be
// ErrUnavailable as well, which says that nothing happened.
func inDoubt(err error) error {
	switch {
	case errors.Is(err, ErrUnknown), errors.Is(err, ErrExists):
		return err
	case errors.Is(err, ErrUnavailable):
		return fmt.Errorf("%w (of an earlier try): %s", ErrUnknown, err.Error())
	}
	return fmt.Errorf("%w (of an earlier try): %w", ErrUnknown, err)
}

// compare answers for a Put that found its key taken although it may have
// been this same Put that took it.
func (r *Retry) compare(ctx context.Context, key string, body [][]byte) error {
	stored, err := r.store.Get(ctx, key, 0, -1)
	if err != nil {
		return fmt.Errorf("read back %s: %w", key, inDoubt(err))
	}
	size, rest := 0, stored
	same := true
	for _, chunk := range body {
		size += len(chunk)
		if same = same && bytes.HasPrefix(rest, chunk); same {
			rest = rest[len(chunk):]
		}
	}
	if same && len(rest) == 0 {
		return nil
	}
	return fmt.Errorf("put %s: it holds %d bytes that are not the %d put here: %w", key, len(stored), size, ErrExists)
}
