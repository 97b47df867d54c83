package upkeep_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/coretest"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/upkeep"
)

type fixture struct {
	*coretest.Cluster
	a  *coretest.Instance
	tp record.TopicPartition
}

// bubble runs fn with one instance whose upkeep goes by steps.
func bubble(t *testing.T, o coretest.Options, fn func(t *testing.T, f *fixture)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		c := coretest.NewCluster(t)
		f := &fixture{Cluster: c, tp: record.TopicPartition{Topic: c.CreateTopic("t", 200)}}
		f.a = c.Instance("a", o).Ready()
		synctest.Wait() // its watch is open
		fn(t, f)
	})
}

// eager waits for nothing before it covers and raises.
func eager(s *upkeep.Settings) {
	s.CheckpointAge, s.Lag, s.SweepGrace = 0, 0, 0
}

var eagerly = coretest.Options{Upkeep: eager}

func (f *fixture) part(n int) record.TopicPartition {
	return record.TopicPartition{Topic: f.tp.Topic, Partition: int32(n)}
}

type stepFunc = func(context.Context) error

// do observes and then takes steps of an instance.
func do(t *testing.T, in *coretest.Instance, steps ...stepFunc) {
	t.Helper()
	in.Barrier()
	in.Upkeep.Observe()
	for i, s := range steps {
		if err := s(t.Context()); err != nil {
			t.Fatalf("%s, step %d: %v", in.Name, i, err)
		}
	}
}

// pass lets time go by and raises stamp and floor beyond all ids drawn so far.
func pass(t *testing.T, in *coretest.Instance) {
	t.Helper()
	time.Sleep(2 * time.Second)
	do(t, in, in.Upkeep.RaiseStamp)
	time.Sleep(time.Second)
	do(t, in, in.Upkeep.RaiseStamp, in.Upkeep.RaiseFloor)
}

func (f *fixture) commits() (full, empty int) {
	for _, it := range f.Items(f.Keys.Commits()) {
		if len(it.Value) > 0 {
			full++
		} else {
			empty++
		}
	}
	return full, empty
}

func (f *fixture) head(t *testing.T, tp record.TopicPartition) *ledger.Head {
	t.Helper()
	items := f.Items(f.Keys.Head(tp.Topic, tp.Partition))
	if len(items) == 0 {
		return nil
	}
	h, err := ledger.DecodeHead(items[0].Value)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestRun_ADutyGoesToAnotherInstanceWhenItsHolderIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := coretest.NewCluster(t)
		tp := record.TopicPartition{Topic: c.CreateTopic("t", 1)}
		a := c.Instance("a", coretest.Options{RunUpkeep: true}).Ready()
		time.Sleep(3 * time.Second)
		b := c.Instance("b", coretest.Options{RunUpkeep: true}).Ready()
		time.Sleep(time.Minute)
		holder := func() string {
			if items := c.Items(c.Keys.Lease("upkeep")); len(items) == 1 {
				return string(items[0].Value)
			}
			return ""
		}
		if got := holder(); got != "a" {
			t.Fatalf("held by %q", got)
		}
		c.FaultKV(func(who string, _ coordination.Op, _ string) coordination.Decision {
			if who == "a" { // cut off: its lease ends
				return coordination.Decision{Fail: coordination.FailBefore}
			}
			return coordination.Decision{}
		})
		time.Sleep(20 * time.Second)
		if got := holder(); got != "b" {
			t.Errorf("held by %q 20 s after a was cut off", got)
		}
		c.FaultKV(nil)
		b.MustProduce(coretest.Plain(tp, "x"))
		time.Sleep(time.Minute)
		if n := len(c.Items(c.Keys.Heads())); n != 1 {
			t.Errorf("%d heads: the new holder does not work", n)
		}
		b.Stop()
		time.Sleep(2 * time.Second)
		if got := holder(); got != "a" {
			t.Errorf("held by %q after b left: leaving gives it up at once", got)
		}
		_ = a
	})
}

// Anomaly 27: steady traffic leaves a flat number of keys and bytes.
func TestAnomaly27_EtcdDoesNotGrowUnderSteadyTraffic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := coretest.NewCluster(t)
		tp := record.TopicPartition{Topic: c.CreateTopic("t", 10)}
		a := c.Instance("a", coretest.Options{RunUpkeep: true}).Ready()
		keysAfter := map[int]int{}
		for minute := 1; minute <= 10; minute++ {
			for range 120 {
				time.Sleep(500 * time.Millisecond)
				tp.Partition = (tp.Partition + 1) % 10
				a.MustProduce(coretest.Plain(tp, "x"))
			}
			full := 0
			for _, it := range c.Items(c.Keys.Commits()) {
				if len(it.Value) > 0 {
					full++
				}
			}
			keysAfter[minute] = len(c.Items(c.Keys.Commits()))
			if full > 2*30 {
				t.Errorf("minute %d: %d commits are not covered, at two a second and 15 s want some 40", minute, full)
			}
		}
		if keysAfter[10] > keysAfter[3]+10 || keysAfter[10] > 2*90 {
			t.Errorf("commit keys by minute: %v", keysAfter)
		}
	})
}
