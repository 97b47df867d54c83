package modelled_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/firnlog/firnlog/objectstore"
	"github.com/firnlog/firnlog/objectstore/memory"
	"github.com/firnlog/firnlog/objectstore/modelled"
	"github.com/firnlog/firnlog/objectstore/storetest"
)

// times of n requests in virtual time, sorted.
func times(n int, do func(i int)) (all []time.Duration) {
	for i := range n {
		start := time.Now()
		do(i)
		all = append(all, time.Since(start))
	}
	slices.Sort(all)
	return all
}

func near(t *testing.T, what string, got, want time.Duration) {
	t.Helper()
	if ratio := float64(got) / float64(want); ratio < 0.93 || ratio > 1.07 {
		t.Errorf("%s took %v, want about %v", what, got, want)
	}
}

func TestStore_TakesTheTimesOfItsModel(t *testing.T) {
	const n = 5000
	for _, m := range modelled.Models() {
		synctest.Test(t, func(t *testing.T) {
			s, ctx := modelled.New(memory.New(), m, objectstore.SystemClock(), 7), t.Context()
			for what, c := range map[string]struct {
				spread modelled.Spread
				do     func(i int)
			}{
				"put":    {m.Put, func(i int) { _ = s.Put(ctx, "k", []byte("x")) }},
				"get":    {m.Get, func(i int) { _, _ = s.Get(ctx, "k", 0, -1) }},
				"list":   {m.List, func(i int) { _, _ = s.List(ctx, "", "", 1) }},
				"delete": {m.Delete, func(i int) { _ = s.Delete(ctx, "other") }},
			} {
				took := times(n, c.do)
				near(t, m.Name+" p50 of "+what, took[n/2], c.spread.Median)
				near(t, m.Name+" p99 of "+what, took[n*99/100], c.spread.P99)
			}
		})
	}
}

func TestStore_BytesTakeTheBandwidthOfOneConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, _ := modelled.Find("s3-express")
		s := modelled.New(memory.New(), m, objectstore.SystemClock(), 7)
		body := make([]byte, 8<<20)
		want := time.Duration(float64(len(body)) / m.BytesPerSecond * float64(time.Second))
		for what, do := range map[string]func(){
			"put": func() { _ = s.Put(t.Context(), "k", body[:1<<20], body[1<<20:]) },
			"get": func() {
				_ = s.Put(t.Context(), "k", body)
				start := time.Now()
				_, _ = s.Get(t.Context(), "k", 0, 8<<20)
				near(t, "get of 8 MiB", time.Since(start)-m.Get.Median, want)
			},
		} {
			if took := times(1, func(int) { do() })[0]; took < want {
				t.Errorf("%s of 8 MiB took %v, less than the bytes alone", what, took)
			}
		}
	})
}

func TestStore_SameSeedSameTimes(t *testing.T) {
	draw := func(seed uint64) (out []time.Duration) {
		synctest.Test(t, func(t *testing.T) {
			s := modelled.New(memory.New(), modelled.Models()[0], objectstore.SystemClock(), seed)
			out = times(20, func(int) { _ = s.Delete(t.Context(), "k") })
		})
		return out
	}
	if !slices.Equal(draw(1), draw(1)) || slices.Equal(draw(1), draw(2)) {
		t.Error("times do not follow from the seed")
	}
}

func TestStore_ErrorsPassThroughAndAnExistingObjectStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, ctx := modelled.New(memory.New(), modelled.Models()[0], objectstore.SystemClock(), 7), t.Context()
		if err := s.Put(ctx, "k", []byte("first")); err != nil {
			t.Fatal(err)
		}
		if err := s.Put(ctx, "k", []byte("second")); !errors.Is(err, objectstore.ErrExists) {
			t.Errorf("put again: %v", err)
		}
		if got, err := s.Get(ctx, "k", 0, -1); string(got) != "first" || err != nil {
			t.Errorf("read %q, %v", got, err)
		}
		if _, err := s.Get(ctx, "none", 0, -1); !errors.Is(err, objectstore.ErrNotFound) {
			t.Errorf("get of nothing: %v", err)
		}
	})
}

func TestStore_APutThatEndsInItsWaitHasWrittenNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		below := memory.New()
		s := modelled.New(below, modelled.Models()[0], objectstore.SystemClock(), 7)
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		err := s.Put(ctx, "k", []byte("x"))
		if !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, objectstore.ErrUnknown) {
			t.Errorf("%v, want a definite error", err)
		}
		if _, err := below.Get(t.Context(), "k", 0, -1); !errors.Is(err, objectstore.ErrNotFound) {
			t.Errorf("it is there: %v", err)
		}
	})
}

func TestConformance(t *testing.T) {
	m, _ := modelled.Find("s3-express")
	storetest.Run(t, func(t *testing.T) objectstore.Store {
		return modelled.New(memory.New(), m, objectstore.Clock{Now: time.Now, Sleep: func(ctx context.Context, _ time.Duration) error { return ctx.Err() }}, 7)
	})
}
