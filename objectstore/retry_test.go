package objectstore_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/firnlog/firnlog/objectstore"
	"github.com/firnlog/firnlog/objectstore/memory"
	"github.com/firnlog/firnlog/objectstore/storetest"
)

func TestRetry_KeepsThePromisesOfStore(t *testing.T) {
	storetest.Run(t, func(*testing.T) objectstore.Store { return newRetry(memory.New()) })
}

func newRetry(store objectstore.Store) *objectstore.Retry {
	return objectstore.NewRetry(store, objectstore.DefaultRetryPolicy(), objectstore.SystemClock(), half)
}

func half() float64 { return 0.5 }

// faulty decides request by request, and lets pass what comes after the last decision.
func faulty(inner objectstore.Store, decisions ...objectstore.Decision) (store *objectstore.Fault, asked *atomic.Int64) {
	asked = new(atomic.Int64)
	return objectstore.NewFault(inner, func(objectstore.Op, string) objectstore.Decision {
		n := asked.Add(1)
		if n > int64(len(decisions)) {
			return objectstore.Decision{}
		}
		return decisions[n-1]
	}, objectstore.SystemClock()), asked
}

var (
	refused = objectstore.Decision{Fail: objectstore.FailBefore}
	lost    = objectstore.Decision{Fail: objectstore.FailAfter}
	held    = objectstore.Decision{Fail: objectstore.FailLate}
	denied  = objectstore.Decision{Fail: objectstore.FailBefore, Err: errDenied}
)

var errDenied = errors.New("access denied")

func TestRetry_PutThatLandedWithItsAnswerLostIsSuccess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner := memory.New()
		store, asked := faulty(inner, lost)
		if err := newRetry(store).Put(t.Context(), "k", []byte("ab"), nil, []byte("c")); err != nil {
			t.Errorf("put: %v", err)
		}
		if asked.Load() != 3 { // put, put (exists), get
			t.Errorf("%d requests, want 3", asked.Load())
		}
	})
}

func TestRetry_OtherBytesAfterALostAnswerAreExists(t *testing.T) {
	for _, theirs := range []string{"abX", "ab", "abcd", ""} {
		synctest.Test(t, func(t *testing.T) {
			inner := memory.New()
			if err := inner.Put(t.Context(), "k", []byte(theirs)); err != nil {
				t.Fatal(err)
			}
			store, _ := faulty(inner, lost)
			err := newRetry(store).Put(t.Context(), "k", []byte("ab"), []byte("c"))
			if !errors.Is(err, objectstore.ErrExists) || errors.Is(err, objectstore.ErrUnknown) {
				t.Errorf("over %q: %v, want exists", theirs, err)
			}
		})
	}
}

// Without doubt the key was taken by someone else, whatever the bytes are.
func TestRetry_ExistsWithoutDoubtIsExists(t *testing.T) {
	for _, first := range [][]objectstore.Decision{nil, {refused}, {refused, refused}} {
		synctest.Test(t, func(t *testing.T) {
			inner := memory.New()
			if err := inner.Put(t.Context(), "k", []byte("abc")); err != nil {
				t.Fatal(err)
			}
			store, _ := faulty(inner, first...)
			err := newRetry(store).Put(t.Context(), "k", []byte("abc"))
			if !errors.Is(err, objectstore.ErrExists) {
				t.Errorf("after %d refusals: %v, want exists", len(first), err)
			}
		})
	}
}

func TestRetry_DoubtOutlivesALaterDefiniteError(t *testing.T) {
	tests := map[string][]objectstore.Decision{
		"lost, then denied":            {lost, denied},
		"held, then denied":            {held, denied},
		"lost, refused, then denied":   {lost, refused, denied},
		"lost, read back denied":       {lost, {}, denied, denied},
		"refused, lost, then denied":   {refused, lost, denied},
		"lost, read back lost, denied": {lost, {}, refused, denied},
	}
	for name, decisions := range tests {
		synctest.Test(t, func(t *testing.T) {
			store, _ := faulty(memory.New(), decisions...)
			err := newRetry(store).Put(t.Context(), "k", []byte("x"))
			if !errors.Is(err, objectstore.ErrUnknown) || !errors.Is(err, errDenied) {
				t.Errorf("%s: %v, want unknown and denied", name, err)
			}
		})
	}
}

func TestRetry_DefiniteErrorIsNotRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, asked := faulty(memory.New(), denied)
		err := newRetry(store).Put(t.Context(), "k", []byte("x"))
		if !errors.Is(err, errDenied) || errors.Is(err, objectstore.ErrUnknown) || asked.Load() != 1 {
			t.Errorf("put: %v after %d requests", err, asked.Load())
		}
	})
}

func TestRetry_GivesUpWithinTotalMax(t *testing.T) {
	for _, fail := range []objectstore.Failure{objectstore.FailBefore, objectstore.FailLate} {
		synctest.Test(t, func(t *testing.T) {
			always := func(objectstore.Op, string) objectstore.Decision {
				return objectstore.Decision{Fail: fail, Delay: time.Second}
			}
			store := newRetry(objectstore.NewFault(memory.New(), always, objectstore.SystemClock()))
			started := time.Now()
			err := store.Put(t.Context(), "k", []byte("x"))
			took := time.Since(started)
			if took < 50*time.Second || took > 60*time.Second {
				t.Errorf("gave up after %v, want just below 60 s", took)
			}
			if unknown := fail == objectstore.FailLate; errors.Is(err, objectstore.ErrUnknown) != unknown {
				t.Errorf("error %v, unknown should be %v", err, unknown)
			}
			if unavailable := fail == objectstore.FailBefore; errors.Is(err, objectstore.ErrUnavailable) != unavailable {
				t.Errorf("error %v, unavailable should be %v", err, unavailable)
			}
		})
	}
}

func TestRetry_SlowAttemptIsCutAndRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, asked := faulty(memory.New(), objectstore.Decision{Delay: time.Hour})
		started := time.Now()
		if err := newRetry(store).Put(t.Context(), "k", []byte("x")); err != nil {
			t.Errorf("put: %v", err)
		}
		if took := time.Since(started); took != 15*time.Second+25*time.Millisecond || asked.Load() != 2 {
			t.Errorf("took %v and %d requests", took, asked.Load())
		}
	})
}

func TestRetry_SleepsDoubleUpToTheirMaximum(t *testing.T) {
	var slept []time.Duration
	clock := objectstore.Clock{Now: time.Now, Sleep: func(_ context.Context, d time.Duration) error {
		slept = append(slept, d)
		return nil
	}}
	policy := objectstore.RetryPolicy{BackoffMin: 100 * time.Millisecond, BackoffMax: time.Second}
	store, _ := faulty(memory.New(), refused, refused, refused, refused, refused, refused)
	retry := objectstore.NewRetry(store, policy, clock, half)
	if err := retry.Put(t.Context(), "k", []byte("x")); err != nil {
		t.Fatal(err)
	}
	if got, want := fmt.Sprint(slept), "[50ms 100ms 200ms 400ms 500ms 500ms]"; got != want {
		t.Errorf("slept %v, want %v", got, want)
	}
}

func TestRetry_EndedContextEndsTheSleep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, _ := faulty(memory.New(), lost, held, held, held, held, held, held, held, held, held, held)
		ctx, cancel := context.WithTimeout(t.Context(), 700*time.Millisecond)
		defer cancel()
		started := time.Now()
		err := newRetry(store).Put(ctx, "k", []byte("x"))
		if took := time.Since(started); took != 700*time.Millisecond {
			t.Errorf("took %v", took)
		}
		if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, objectstore.ErrUnknown) {
			t.Errorf("error %v, want deadline and unknown", err)
		}
	})
}

func TestRetry_ReadsAndDeletesAreRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner := memory.New()
		if err := inner.Put(t.Context(), "k", []byte("abc")); err != nil {
			t.Fatal(err)
		}
		store, _ := faulty(inner, refused, refused)
		if got, err := newRetry(store).Get(t.Context(), "k", 1, 1); err != nil || string(got) != "b" {
			t.Errorf("get: %q, %v", got, err)
		}
		store, _ = faulty(inner, refused, refused)
		if page, err := newRetry(store).List(t.Context(), "", "", 5); err != nil || len(page) != 1 {
			t.Errorf("list: %v, %v", page, err)
		}
		store, _ = faulty(inner, refused, lost)
		if err := newRetry(store).Delete(t.Context(), "k"); err != nil {
			t.Errorf("delete: %v", err)
		}
		if page, _ := inner.List(t.Context(), "", "", 5); len(page) != 0 {
			t.Errorf("left: %v", page)
		}
		store, _ = faulty(inner, lost, denied)
		if err := newRetry(store).Delete(t.Context(), "k"); !errors.Is(err, objectstore.ErrUnknown) {
			t.Errorf("delete in doubt: %v", err)
		}
	})
}
