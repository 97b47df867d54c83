package ingest_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/coretest"
	"github.com/firnlog/firnlog/core/fetch"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/objectstore"
	"github.com/firnlog/firnlog/objectstore/modelled"
)

const ms = time.Millisecond

func TestDue_AnIdleInstanceDoesNotWaitForNeighbours(t *testing.T) {
	bubble(t, coretest.Options{Linger: 250 * ms, IdleLinger: 25 * ms}, func(t *testing.T, f *fixture) {
		took := func() time.Duration {
			start := time.Now()
			f.a.MustProduce(coretest.Plain(f.tp, "x"))
			return time.Since(start)
		}
		if got := took(); got != 25*ms {
			t.Errorf("the first batch waited %v", got)
		}
		if got := took(); got != 250*ms {
			t.Errorf("a batch right behind it waited %v: that is another PUT in the same linger", got)
		}
		time.Sleep(100 * ms)
		if got := took(); got != 150*ms {
			t.Errorf("a batch 100 ms later waited %v", got)
		}
		time.Sleep(time.Second)
		if got := took(); got != 25*ms {
			t.Errorf("after a second of silence a batch waited %v", got)
		}
	})
}

func TestDue_AClockThatIsSetBackKeepsNoBatchWaiting(t *testing.T) {
	bubble(t, coretest.Options{Linger: 250 * ms, IdleLinger: 25 * ms}, func(t *testing.T, f *fixture) {
		f.a.MustProduce(coretest.Plain(f.tp, "x"))
		start, done := time.Now(), make(chan time.Duration)
		go func() {
			f.a.MustProduce(coretest.Plain(f.tp, "y"))
			done <- time.Since(start)
		}()
		synctest.Wait()
		f.a.Skew(-time.Minute)
		if got := <-done; got > 250*ms {
			t.Errorf("a batch waited %v", got)
		}
	})
}

func TestDue_HoweverBatchesComeThereIsOnePutInALinger(t *testing.T) {
	for _, every := range []time.Duration{ms, 40 * ms, 260 * ms} {
		bubble(t, coretest.Options{Linger: 250 * ms, IdleLinger: 25 * ms}, func(t *testing.T, f *fixture) {
			const long = 20 * time.Second
			var wg sync.WaitGroup
			for range long / every {
				wg.Go(func() { f.a.MustProduce(coretest.Plain(f.tp, "x")) })
				time.Sleep(every)
			}
			wg.Wait()
			if got, most := f.a.Flushes(), int(long/(250*ms))+1; got > most {
				t.Errorf("a batch every %v: %d PUTs in %v, want at most %d", every, got, long, most)
			}
		})
	}
}

// measured are all times of the write path on a model of an object store, with etcd as across zones (2 to 10 ms).
type measured struct {
	produce, own, other []time.Duration // acknowledged; read at the writing instance; read at another one
	puts                int
}

// measure writes batches of 4 KiB at random times, so many a second on average, for two minutes of virtual time or 500 batches, and reads them at the tail.
func measure(t *testing.T, model string, linger time.Duration, rate float64) (m measured) {
	synctest.Test(t, func(t *testing.T) {
		c := coretest.NewCluster(t)
		f := &fixture{Cluster: c, tp: record.TopicPartition{Topic: c.CreateTopic("t", 1)}}
		o := coretest.Options{Linger: linger, IdleLinger: linger / 10, Store: func(s objectstore.Store) objectstore.Store {
			timing, _ := modelled.Find(model)
			return modelled.New(s, timing, objectstore.SystemClock(), 1)
		}}
		var mu sync.Mutex
		dice := rand.New(rand.NewPCG(2, 3))
		draw := func(n float64) float64 { mu.Lock(); defer mu.Unlock(); return n * dice.Float64() }
		f.a, m.puts = c.Instance("a", o).Ready(), 0
		b := c.Instance("b", o).Ready()
		c.FaultKV(func(_ string, op coordination.Op, _ string) coordination.Decision {
			if op == coordination.OpCommit {
				return coordination.Decision{Delay: 2*ms + time.Duration(draw(float64(8*ms)))}
			}
			return coordination.Decision{}
		})
		count := int(max(120*rate, 500))
		sent := make([]time.Time, count)
		var wg sync.WaitGroup
		wg.Go(func() { m.own = tail(t, f.a, f.tp, sent) })
		wg.Go(func() { m.other = tail(t, b, f.tp, sent) })
		body := string(make([]byte, 4<<10))
		for i := range count {
			sent[i] = time.Now() // one partition: offsets are in this order
			wg.Go(func() {
				f.a.MustProduce(coretest.Plain(f.tp, body))
				took := time.Since(sent[i])
				mu.Lock()
				defer mu.Unlock()
				m.produce = append(m.produce, took)
			})
			synctest.Wait() // it is gathered
			time.Sleep(time.Duration(-math.Log(1-draw(1)) / rate * float64(time.Second)))
		}
		wg.Wait()
		m.puts = f.a.Flushes()
	})
	for _, all := range [][]time.Duration{m.produce, m.own, m.other} {
		slices.Sort(all)
	}
	return m
}

// tail reads until it has a record for each that is sent, and says how long each was on its way.
func tail(t *testing.T, in *coretest.Instance, tp record.TopicPartition, sent []time.Time) (took []time.Duration) {
	for len(took) < len(sent) {
		r := in.Fetch.Fetch(t.Context(), fetch.Request{Partitions: []fetch.Partition{{TopicPartition: tp, Offset: record.Offset(len(took)), BytesMax: 8 << 20}}, BytesMin: 1, BytesMax: 8 << 20, WaitMax: time.Second})[0]
		if r.Err != nil {
			t.Error(r.Err)
			return took
		}
		for _, rec := range coretest.Records(t, r.Batches) {
			took = append(took, time.Since(sent[rec.Offset]))
		}
	}
	return took
}
