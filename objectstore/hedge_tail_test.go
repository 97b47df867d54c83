package objectstore_test

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/firnlog/firnlog/objectstore"
	"github.com/firnlog/firnlog/objectstore/memory"
	"github.com/firnlog/firnlog/objectstore/modelled"
)

// tail is what many GETs took, and what they came to.
type tail struct {
	p50, p95, p99, p999 time.Duration
	asked, sent, won    int64
	physical            int64
}

func (x tail) share() float64 { return float64(x.sent) / float64(x.asked) }

// measure sends n GETs of length bytes from 8 readers; each finds out what its own took.
func measure(t *testing.T, store objectstore.Store, hedged bool, n int, length int64) (x tail) {
	const readers = 8
	t.Helper()
	counted := objectstore.NewMeter(store, time.Now, nil)
	var reads objectstore.Store = counted
	h := objectstore.NewHedge(counted, objectstore.SystemClock())
	if hedged {
		reads = h
	}
	var mu sync.Mutex
	var took []time.Duration
	var group sync.WaitGroup
	for range readers {
		group.Go(func() {
			for range n / readers {
				started := time.Now()
				if _, err := reads.Get(t.Context(), "settled/a", 0, length); err != nil {
					t.Error(err)
				}
				mu.Lock()
				took = append(took, time.Since(started))
				mu.Unlock()
			}
		})
	}
	group.Wait()
	synctest.Wait()
	slices.Sort(took)
	at := func(share float64) time.Duration { return took[int(float64(len(took))*share)] }
	x = tail{p50: at(.5), p95: at(.95), p99: at(.99), p999: at(.999), asked: int64(len(took)), physical: counted.Snapshot().Get.Requests}
	x.sent, x.won = h.Hedges()
	return x
}

// beside measures the same store with the same dice without and with second GETs.
func beside(t *testing.T, n int, length int64, open func() objectstore.Store) (without, with tail) {
	t.Helper()
	for _, hedged := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			x := measure(t, open(), hedged, n, length)
			t.Logf("hedged %t: p50 %v p95 %v p99 %v p99.9 %v; %.2f %% more GETs, %d of %d won", hedged, x.p50.Round(time.Millisecond), x.p95.Round(time.Millisecond),
				x.p99.Round(time.Millisecond), x.p999.Round(time.Millisecond), 100*x.share(), x.won, x.sent)
			if x.physical != x.asked+x.sent {
				t.Errorf("%d GETs counted, want %d and %d", x.physical, x.asked, x.sent)
			}
			if hedged {
				with = x
			} else {
				without = x
			}
		})
	}
	if with.share() > 0.05 {
		t.Errorf("%.2f %% more GETs, want 5 at most", 100*with.share())
	}
	return without, with
}

// drawn is a store whose GETs take what draw says.
func drawn(draw func(dice *rand.Rand) time.Duration) objectstore.Store {
	var mu sync.Mutex
	dice := rand.New(rand.NewPCG(7, 0))
	return &paced{Store: memory.New(), get: func(ctx context.Context, n int) ([]byte, error) {
		mu.Lock()
		d := draw(dice)
		mu.Unlock()
		return after(ctx, d, n, nil)
	}}
}

func TestHedge_TheTailOfS3StandardIsCutForAFewMoreGETs(t *testing.T) {
	model, _ := modelled.Find("s3-standard")
	for name, c := range map[string]struct {
		length int64
		p99    float64 // at most, as a share
	}{
		"4 KiB": {4 << 10, .9},
		"4 MiB": {4 << 20, 1.03}, // more than half of it are the bytes, which a second GET must bring as well
	} {
		t.Run(name, func(t *testing.T) {
			body := make([]byte, c.length)
			without, with := beside(t, 20000, c.length, func() objectstore.Store {
				below := &paced{get: func(context.Context, int) ([]byte, error) { return body, nil }}
				return modelled.New(below, model, objectstore.SystemClock(), 7)
			})
			if float64(with.p99) > float64(without.p99)*c.p99 || with.p999 > without.p999*80/100 {
				t.Error("the tail is about as long as without")
			}
			if with.p50 > without.p50*105/100 {
				t.Error("the median is longer than without")
			}
		})
	}
}

func TestHedge_OneSlowGETInAHundredIsHiddenForOneMoreInAHundred(t *testing.T) {
	without, with := beside(t, 20000, -1, func() objectstore.Store {
		return drawn(func(dice *rand.Rand) time.Duration {
			if dice.IntN(100) == 0 {
				return time.Second
			}
			return usualTime
		})
	})
	if without.p999 != time.Second || with.p999 > 4*usualTime {
		t.Errorf("p99.9 %v without, %v with", without.p999, with.p999)
	}
	if with.share() > 0.015 {
		t.Errorf("%.2f %% more GETs where 1 %% is slow", 100*with.share())
	}
}

func TestHedge_AStoreThatIsFastOrEvenIsNeverAskedTwice(t *testing.T) {
	for name, draw := range map[string]func(dice *rand.Rand) time.Duration{
		"even":           func(dice *rand.Rand) time.Duration { return usualTime + time.Duration(dice.IntN(10_000_000)) },
		"slow, but even": func(dice *rand.Rand) time.Duration { return time.Second + time.Duration(dice.IntN(1_000_000_000)) },
		"a disk": func(dice *rand.Rand) time.Duration {
			if dice.IntN(100) == 0 {
				return 19 * time.Millisecond
			}
			return 100 * time.Microsecond
		},
	} {
		t.Run(name, func(t *testing.T) {
			if _, with := beside(t, 4000, -1, func() objectstore.Store { return drawn(draw) }); with.sent != 0 {
				t.Errorf("%d second GETs", with.sent)
			}
		})
	}
}

// TestHedge_AStoreThatHasBecomeSlowIsTakenAsItIs: all GETs take ten times as long from one moment on.
func TestHedge_AStoreThatHasBecomeSlowIsTakenAsItIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, _ := learned(t, func(ctx context.Context, n int) ([]byte, error) { return after(ctx, 10*usualTime, n, nil) })
		for range 100 {
			if _, err := h.Get(t.Context(), "segments/a", 0, -1); err != nil {
				t.Fatal(err)
			}
		}
		before, _ := h.Hedges()
		for range 1000 {
			if _, err := h.Get(t.Context(), "segments/a", 0, -1); err != nil {
				t.Fatal(err)
			}
		}
		if sent, _ := h.Hedges(); before > 15 || sent != before {
			t.Errorf("%d second GETs while it was new, %d afterwards", before, sent-before)
		}
	})
}

// TestHedge_AStoreThatBecomesSlowerAllTheTimeCostsNoMore: whatever is usual there, nearly every GET takes longer.
func TestHedge_AStoreThatBecomesSlowerAllTheTimeCostsNoMore(t *testing.T) {
	const n = 400
	synctest.Test(t, func(t *testing.T) {
		h, _ := learned(t, func(ctx context.Context, n int) ([]byte, error) {
			return after(ctx, time.Duration(float64(usualTime)*math.Pow(1.02, float64(n))), n, nil)
		})
		for range n {
			if _, err := h.Get(t.Context(), "segments/a", 0, -1); err != nil {
				t.Fatal(err)
			}
		}
		if sent, _ := h.Hedges(); sent < 10 || sent > 10+n/20 {
			t.Errorf("%d second GETs, want at most ten that were saved up and one in twenty", sent)
		}
	})
}

// TestHedge_AStormIsNotDoubled: a store that refuses one GET in three, and is slow with the others.
func TestHedge_AStormIsNotDoubled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, _ := learned(t, func(ctx context.Context, n int) ([]byte, error) {
			if n%3 == 0 {
				return after(ctx, time.Millisecond, n, objectstore.ErrUnavailable)
			}
			return after(ctx, time.Duration(1+n%10)*100*time.Millisecond, n, nil)
		})
		for range 16 {
			_, _ = h.Get(t.Context(), "segments/a", 0, -1)
		}
		early, _ := h.Hedges()
		for range 2000 {
			_, _ = h.Get(t.Context(), "segments/a", 0, -1)
		}
		if sent, _ := h.Hedges(); early > 10 || sent > 11 {
			t.Errorf("%d second GETs to a store in a storm, %d of them at its beginning", sent, early)
		}
	})
}

// TestHedge_KindsOfGETsAreNotComparedWithEachOther: large ones take long beside small ones, and other folders may be other stores.
func TestHedge_KindsOfGETsAreNotComparedWithEachOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, _ := learned(t, func(ctx context.Context, n int) ([]byte, error) { return after(ctx, time.Second, n, nil) })
		for range 100 {
			for _, length := range []int64{64 << 10, 256 << 10, 1 << 20, 4 << 20} {
				_, _ = h.Get(t.Context(), "segments/a", 0, length)
			}
			_, _ = h.Get(t.Context(), "cold/a", 0, -1)
			_, _ = h.Get(t.Context(), "segments/a", -4096, -1)
		}
		hedges(t, h, 0, 0)
	})
}
