package stream_test

import (
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/coretest"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/stream"
)

// A round that ends while another caller comes must not be run twice. Real time: the race is between two locks.
func TestBarrier_ManyCallersAtOnceShareRoundsWithoutRunningOneTwice(t *testing.T) {
	c := coretest.NewCluster(t)
	in := c.Instance("a", coretest.Options{}).Ready()
	var callers sync.WaitGroup
	for range 8 {
		callers.Go(func() {
			for range 2000 {
				if err := in.Stream.Barrier(t.Context()); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	callers.Wait()
}

func count(lines []string, what string) (n int) {
	for _, l := range lines {
		if strings.HasPrefix(l, what) {
			n++
		}
	}
	return n
}

// dropProgress makes an instance's first n requests for progress go nowhere.
func dropProgress(c *coretest.Cluster, n int64) {
	var asked atomic.Int64
	c.FaultKV(func(_ string, op coordination.Op, _ string) coordination.Decision {
		if op == coordination.OpProgress && asked.Add(1) <= n {
			return coordination.Decision{Fail: coordination.FailBefore}
		}
		return coordination.Decision{}
	})
}

func TestBarrier_AsksForProgressAgainUntilTheWatchAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := coretest.NewCluster(t)
		in := c.Instance("a", coretest.Options{}).Ready()
		synctest.Wait()                                        // its watch is open
		c.Put(c.Keys.Lease("other"), []byte("not below log/")) // moves the revision without an event for us
		dropProgress(c, 3)
		start := time.Now()
		in.Barrier()
		if took := time.Since(start); took < 60*time.Millisecond || took > 100*time.Millisecond {
			t.Errorf("took %v, want three times 20 ms", took)
		}
	})
}

func TestBarrier_WithoutProgressItGivesUpAndSaysNotReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := coretest.NewCluster(t)
		in := c.Instance("a", coretest.Options{}).Ready()
		synctest.Wait() // its watch is open
		c.Put(c.Keys.Lease("other"), []byte("x"))
		dropProgress(c, 1<<40)
		if err := in.Stream.Barrier(t.Context()); !errors.Is(err, stream.ErrNotReady) {
			t.Errorf("%v, want ErrNotReady", err)
		}
		c.FaultKV(nil)
		in.Barrier()
	})
}

func TestBarrier_OneRoundServesAllWhoAskedBeforeItStarted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := coretest.NewCluster(t)
		in := c.Instance("a", coretest.Options{}).Ready()
		synctest.Wait() // its watch is open
		c.FaultKV(func(_ string, op coordination.Op, _ string) coordination.Decision {
			if op == coordination.OpGet {
				return coordination.Decision{Delay: 50 * time.Millisecond}
			}
			return coordination.Decision{}
		})
		c.Transcript()
		go in.Barrier()
		synctest.Wait() // the first round runs
		var callers sync.WaitGroup
		for range 100 {
			callers.Go(in.Barrier)
		}
		callers.Wait()
		if n := count(c.Transcript(), "a kv get"); n != 2 {
			t.Errorf("%d reads for 101 callers, want 2: one that ran already, one for all who came then", n)
		}
	})
}

func TestBarrier_ARoundThatRunsAlreadyDoesNotServeWhoComesLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := coretest.NewCluster(t)
		tp := record.TopicPartition{Topic: c.CreateTopic("t", 1)}
		a, b := c.Instance("a", coretest.Options{}).Ready(), c.Instance("b", coretest.Options{}).Ready()
		synctest.Wait()                           // their watches are open
		c.Put(c.Keys.Lease("other"), []byte("x")) // the first round has to wait for progress
		c.FaultKV(func(who string, op coordination.Op, _ string) coordination.Decision {
			if who == "a" && op == coordination.OpUpdate {
				return coordination.Decision{Delay: 200 * time.Millisecond}
			}
			return coordination.Decision{}
		})
		go a.Barrier()
		synctest.Wait()
		b.MustProduce(coretest.Plain(tp, "x"))
		a.Barrier()
		if got := a.Read(tp, 0); len(got.Batches) == 0 {
			t.Errorf("what was acknowledged before the call is not there behind the barrier: %+v", got)
		}
	})
}
