package upkeep_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/coretest"
	"github.com/firnlog/firnlog/core/ingest"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/upkeep"
)

// storm lets answers get lost now and then, breaks watches, and compacts etcd, until stop is closed.
func storm(t *testing.T, c *coretest.Cluster, stop chan struct{}, instances ...*coretest.Instance) {
	var commits atomic.Int64
	c.FaultKV(func(_ string, op coordination.Op, key string) coordination.Decision {
		if op != coordination.OpCommit {
			return coordination.Decision{}
		}
		switch commits.Add(1) % 11 {
		case 3:
			return coordination.Decision{Fail: coordination.FailAfter}
		case 6:
			return coordination.Decision{Fail: coordination.FailBefore}
		case 9:
			return coordination.Decision{Delay: 700 * time.Millisecond}
		}
		return coordination.Decision{}
	})
	for i := 0; ; i++ {
		select {
		case <-stop:
			c.FaultKV(nil)
			return
		case <-time.After(13 * time.Second):
		}
		instances[i%len(instances)].KV.BreakWatches()
		if i%3 == 0 {
			if err := c.Etcd.Compact(t.Context(), c.Put(c.Keys.Lease("compaction"), nil)); err != nil {
				t.Error(err)
			}
		}
	}
}

// Anomalies 2 and 3: ten minutes of traffic through two instances in a storm, with all maintenance at work. What was
// acknowledged is there once, at the offset that was named, on old instances and on new ones.
func TestAnomaly2And3_WhatWasAcknowledgedStaysAtItsOffset(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := coretest.NewCluster(t)
		topic := c.CreateTopic("t", 3)
		busy := coretest.Options{RunUpkeep: true, Upkeep: func(s *upkeep.Settings) {
			s.Lag, s.SweepEvery, s.SweepGrace = 20*time.Second, 30*time.Second, time.Minute
		}}
		a, b := c.Instance("a", busy).Ready(), c.Instance("b", busy).Ready()
		stop := make(chan struct{})
		go storm(t, c, stop, a, b)
		var mu sync.Mutex
		acked := map[record.TopicPartition]map[record.Offset]string{}
		var producers sync.WaitGroup
		for p := range int32(6) {
			tp := record.TopicPartition{Topic: topic, Partition: p % 3}
			producers.Go(func() {
				sequence := int32(0)
				for start := time.Now(); time.Since(start) < 10*time.Minute; {
					value := fmt.Sprintf("%d-%d", p, sequence)
					out := retry(t, []*coretest.Instance{a, b}, coretest.Idempotent(tp, record.ProducerID(p), 0, sequence, value))
					mu.Lock()
					if acked[tp] == nil {
						acked[tp] = map[record.Offset]string{}
					}
					if other, taken := acked[tp][out.Base]; taken {
						t.Errorf("offset %d was given to %s and to %s", out.Base, other, value)
					}
					acked[tp][out.Base] = value
					mu.Unlock()
					sequence++
					time.Sleep(300 * time.Millisecond)
				}
			})
		}
		producers.Wait()
		close(stop)
		time.Sleep(5 * time.Minute) // sweep and trim have their way
		late := c.Instance("late", coretest.Options{}).Ready()
		for tp, want := range acked {
			for _, in := range []*coretest.Instance{a, b, late} {
				got := in.ReadAll(tp)
				if len(got) != len(want) {
					t.Errorf("%s, partition %d: %d records, %d were acknowledged", in.Name, tp.Partition, len(got), len(want))
				}
				for offset, value := range got {
					if want[record.Offset(offset)] != value {
						t.Fatalf("%s, partition %d, offset %d: %q, acknowledged was %q", in.Name, tp.Partition, offset, value, want[record.Offset(offset)])
					}
				}
			}
		}
		if n := len(c.Items(c.Keys.Commits())); n > 5 {
			t.Errorf("%d commits left five minutes later: maintenance did not do its part", n)
		}
	})
}

// retry produces as a client does: the same batch again, each time through another instance.
func retry(t *testing.T, instances []*coretest.Instance, in ingest.Incoming) ingest.Outcome {
	for i := 0; ; i++ {
		out := instances[i%len(instances)].Produce(in)[0]
		switch {
		case out.Err == nil:
			return out
		case errors.Is(out.Err, ingest.ErrNotAppended), errors.Is(out.Err, ingest.ErrUnknown):
		default:
			t.Errorf("refused for good: %v", out.Err)
			return out
		}
		if i > 100 {
			t.Errorf("no answer in %d tries: %v", i, strings.TrimSpace(out.Err.Error()))
			return out
		}
		time.Sleep(100 * time.Millisecond)
	}
}
