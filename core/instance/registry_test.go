package instance

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/coordination/memory"
	"github.com/firnlog/firnlog/core/record"
)

// host is what etcd and a fault in front of it give to one registry.
type host struct {
	*Registry
	kv   *coordination.Fault
	cut  atomic.Bool
	stop context.CancelFunc
	err  chan error
}

func start(t *testing.T, kv *memory.KV, port, node int32) *host {
	t.Helper()
	h := &host{err: make(chan error, 1)}
	h.kv = coordination.NewFault(kv, func(coordination.Op, string) coordination.Decision {
		if h.cut.Load() {
			return coordination.Decision{Fail: coordination.FailBefore}
		}
		return coordination.Decision{}
	}, func(context.Context, time.Duration) error { return nil })
	h.Registry = New(Settings{
		KV: h.kv, Keys: coordination.NewKeys("test"), Now: time.Now, Log: slog.New(slog.DiscardHandler), TTL: 9 * time.Second,
		Self: Info{Node: node, Endpoints: []Endpoint{{Host: "h", Port: port}}, Version: "test"},
	})
	ctx, cancel := context.WithCancel(t.Context())
	h.stop = cancel
	go func() { h.err <- h.Run(ctx) }()
	return h
}

func (h *host) ready(t *testing.T) *host {
	t.Helper()
	select {
	case <-h.Claimed():
	case <-time.After(time.Minute):
		t.Fatal("no node id after a minute")
	}
	synctest.Wait()
	return h
}

func (h *host) nodes() (out []int32) {
	for _, in := range h.Live() {
		out = append(out, in.Node)
	}
	return out
}

func TestRun_TakesTheLowestFreeNodeID(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kv := memory.New(memory.Settings{})
		a, b, c := start(t, kv, 1, AnyNode).ready(t), start(t, kv, 2, AnyNode).ready(t), start(t, kv, 3, 7).ready(t)
		d := start(t, kv, 4, AnyNode).ready(t)
		if a.Self() != 0 || b.Self() != 1 || c.Self() != 7 || d.Self() != 2 {
			t.Errorf("nodes %d, %d, %d, %d", a.Self(), b.Self(), c.Self(), d.Self())
		}
		b.stop()
		time.Sleep(time.Second)
		if e := start(t, kv, 5, AnyNode).ready(t); e.Self() != 1 {
			t.Errorf("node %d, want the freed 1", e.Self())
		}
	})
}

// Brokers of a deployment start together. Who looked before another one took the id that it chose takes the next
// one, without a word and without waiting.
func TestRun_StartingTogetherEveryoneGetsANodeIDAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kv := memory.New(memory.Settings{})
		keys := coordination.NewKeys("test")
		others := int32(0)
		raced := coordination.NewFault(kv, func(op coordination.Op, key string) coordination.Decision {
			if op == coordination.OpCommit && others < 3 { // between its look and its claim
				must(kv.Commit(t.Context(), nil, []coordination.Change{coordination.PutKey(keys.Instance(others), []byte("{}"))}))
				others++
			}
			return coordination.Decision{}
		}, func(context.Context, time.Duration) error { return nil })
		var said strings.Builder
		r := New(Settings{
			KV: raced, Keys: keys, Now: time.Now, Log: slog.New(slog.NewTextHandler(&said, nil)), TTL: 9 * time.Second,
			Self: Info{Node: AnyNode, Endpoints: []Endpoint{{Host: "h", Port: 1}}, Version: "test"},
		})
		ctx, stop := context.WithCancel(t.Context())
		began, ended := time.Now(), make(chan error, 1)
		go func() { ended <- r.Run(ctx) }()
		<-r.Claimed()
		if took := time.Since(began); r.Self() != 3 || took != 0 {
			t.Errorf("node %d after %v, want 3 at once", r.Self(), took)
		}
		stop()
		<-ended
		if said.Len() > 0 {
			t.Errorf("nothing went wrong, but it said: %s", said.String())
		}
	})
}

func TestRun_KeepsTheNodeIDOfItsAddressAfterAnAbruptRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kv := memory.New(memory.Settings{})
		start(t, kv, 1, AnyNode).ready(t)
		b := start(t, kv, 2, AnyNode).ready(t)
		b.cut.Store(true) // killed: the lease is not revoked
		b.stop()
		<-b.err
		if again := start(t, kv, 2, AnyNode).ready(t); again.Self() != 1 {
			t.Errorf("node %d, want 1 as before", again.Self())
		}
		time.Sleep(time.Minute)
		if n := len(must(kv.List(t.Context(), coordination.Range{Prefix: coordination.NewKeys("test").Instances()})).Items); n != 2 {
			t.Errorf("%d instances after the old lease has ended", n)
		}
	})
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func TestRun_RefusesANodeIDThatIsTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kv := memory.New(memory.Settings{})
		start(t, kv, 1, 3).ready(t)
		second := start(t, kv, 2, 3)
		if err := <-second.err; !errors.Is(err, ErrNodeTaken) {
			t.Errorf("%v, want ErrNodeTaken", err)
		}
	})
}

func TestLive_FollowsJoinsLeavesAndExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kv := memory.New(memory.Settings{})
		a := start(t, kv, 1, AnyNode).ready(t)
		b := start(t, kv, 2, AnyNode).ready(t)
		c := start(t, kv, 3, AnyNode).ready(t)
		expect := func(when string, want ...int32) {
			t.Helper()
			synctest.Wait()
			if got := a.nodes(); !slices.Equal(got, want) {
				t.Errorf("%s: %v, want %v", when, got, want)
			}
		}
		expect("all joined", 0, 1, 2)
		b.stop()
		expect("one left", 0, 2)
		c.cut.Store(true) // frozen
		c.kv.BreakWatches()
		time.Sleep(30 * time.Second)
		expect("one lost", 0)
		c.cut.Store(false)
		time.Sleep(5 * time.Second)
		expect("it came back", 0, 2)
		if got := c.nodes(); !slices.Equal(got, []int32{0, 2}) {
			t.Errorf("what came back sees %v", got)
		}
	})
}

func TestLive_HoldsWhileEtcdIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kv := memory.New(memory.Settings{})
		a, b := start(t, kv, 1, AnyNode).ready(t), start(t, kv, 2, AnyNode).ready(t)
		_ = b
		synctest.Wait()
		a.cut.Store(true)
		a.kv.BreakWatches()
		time.Sleep(time.Minute)
		if got := a.nodes(); !slices.Equal(got, []int32{0, 1}) {
			t.Errorf("%v: who cannot ask must not forget", got)
		}
		select {
		case err := <-a.err:
			t.Errorf("gave up: %v", err)
		default:
		}
	})
}

func fleet(n int, zones ...string) (out []Info) {
	for i := range n {
		out = append(out, Info{Node: int32(i), Zone: zones[i%len(zones)]})
	}
	return out
}

func TestPreferred_OnlyThePartitionsOfALostInstanceMove(t *testing.T) {
	live := fleet(5, "")
	moved, load := 0, map[int32]int{}
	for p := range int32(1000) {
		tp := record.TopicPartition{Topic: record.TopicID{byte(p % 7)}, Partition: p}
		before, _ := Preferred(live, tp, "")
		load[before.Node]++
		after, ok := Preferred(append(slices.Clone(live[:2]), live[3:]...), tp, "")
		if !ok || before.Node != 2 && after.Node != before.Node {
			t.Fatalf("partition %d moved from %d to %d", p, before.Node, after.Node)
		}
		if before.Node == 2 {
			moved++
		}
	}
	for node, n := range load {
		if n < 130 || n > 270 {
			t.Errorf("node %d has %d of 1000 partitions", node, n)
		}
	}
	if moved == 0 {
		t.Error("the lost one had nothing")
	}
}

func TestPreferred_TheZoneComesFirst(t *testing.T) {
	live := fleet(6, "x", "y", "z")
	for p := range int32(200) {
		tp := record.TopicPartition{Partition: p}
		if in, _ := Preferred(live, tp, "y"); in.Zone != "y" {
			t.Fatalf("partition %d: zone %s", p, in.Zone)
		}
		any, _ := Preferred(live, tp, "")
		if elsewhere, _ := Preferred(live, tp, "none"); elsewhere.Node != any.Node {
			t.Fatalf("partition %d: a zone without instances gets %d, want %d as for everybody", p, elsewhere.Node, any.Node)
		}
		ranked := Ranked(live, tp, "z", 6)
		if len(ranked) != 6 || ranked[0].Zone != "z" || ranked[1].Zone != "z" || ranked[2].Zone == "z" {
			t.Fatalf("partition %d: %v", p, fmt.Sprint(ranked))
		}
	}
	if _, ok := Preferred(nil, record.TopicPartition{}, ""); ok {
		t.Error("somebody is preferred among nobody")
	}
}
