package fork_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/firnlog/firnlog/core/coretest"
	"github.com/firnlog/firnlog/core/record"
)

// op is a step of a random history; what its numbers mean is the step's to say.
type op struct {
	kind    string
	a, b, c int
}

func ops() *rapid.Generator[[]op] {
	kinds := []string{"produce", "produce", "produce", "produce", "transact", "transact", "end", "settle", "settle", "checkpoint", "fork", "fork at", "fork at", "delete", "expire", "sweep", "chill"}
	one := rapid.Custom(func(t *rapid.T) op {
		return op{rapid.SampledFrom(kinds).Draw(t, "kind"), rapid.IntRange(0, 99).Draw(t, "a"), rapid.IntRange(0, 99).Draw(t, "b"), rapid.IntRange(0, 99).Draw(t, "c")}
	})
	return rapid.SliceOfN(one, 30, 120)
}

// Whatever is done to a source and its forks, each of them holds just what it should, nothing that is referred to is deleted, and
// nothing else is kept.
func TestFork_EachGoesItsOwnWay(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		all := ops().Draw(rt, "ops")
		bubble(t, func(f *fixture) {
			f.topic("t0")
			f.topic("t1", "firnlog.cold.after.ms", "1")
			for i, o := range all {
				f.step(i, o)
			}
			f.finish()
		})
	})
}

func (f *fixture) step(i int, o op) {
	names := f.names()
	name := names[o.a%len(names)]
	id := fmt.Sprintf("x%d", o.c%3)
	switch p := int32(o.b % partitions); o.kind {
	case "produce":
		f.flush(name, p, 1+o.a%4)
		for range 1 + o.c%12 {
			f.produce(name, p, 1+o.c%3, "")
		}
	case "transact":
		f.produce(name, p, 1+o.b%2, id)
	case "end":
		f.end(id, o.a%2 == 0)
	case "settle":
		time.Sleep(time.Duration(o.c) * 200 * time.Millisecond) // all in all less than fork.LookBack
		f.settle()
		f.do(f.retainer.Step)
	case "checkpoint":
		f.checkpoint()
	case "fork":
		f.fork(name, fmt.Sprintf("f%d", i), time.Time{})
	case "fork at":
		f.fork(name, fmt.Sprintf("f%d", i), f.topics[name].when(o.b, o.c))
	case "delete":
		if len(names) > 2 {
			f.deleteTopic(name)
		}
	case "expire":
		f.expire(name, p, o.c)
	case "sweep":
		f.sweep()
	case "chill":
		f.chill()
	}
}

// finish ends all that is open and compares, on this instance and on one that begins anew.
func (f *fixture) finish() {
	f.t.Helper()
	f.check()
	for range 2 {
		for range 3 {
			f.settle()
			time.Sleep(2 * time.Minute)
		}
		f.do(f.retainer.Step)
		f.chill()
		f.sweep()
	}
	f.checkOn(f.Instance("late", coretest.Options{}).Ready())
	f.exact()
}

// when is a time about a batch of the topic.
func (m *topicModel) when(which, shift int) time.Time {
	var all []int64
	for _, l := range m.logs {
		for _, b := range l.batches {
			if b.values != nil {
				all = append(all, b.ms)
			}
		}
	}
	if len(all) == 0 {
		return time.Now()
	}
	slices.Sort(all)
	return time.UnixMilli(all[which*len(all)/100] + int64(shift%3) - 1)
}

// expire deletes what lies before some batch, if no transaction lies on both sides.
func (f *fixture) expire(name string, p int32, which int) {
	f.t.Helper()
	l := f.topics[name].logs[p]
	if len(l.batches) == 0 {
		return
	}
	before := l.batches[which*len(l.batches)/100].base
	sides := map[*txnModel]bool{}
	for _, b := range l.batches {
		if below, known := sides[b.txn]; b.txn != nil && known && below && b.base >= before {
			return
		}
		sides[b.txn] = sides[b.txn] || b.base < before
		if b.txn != nil && !b.txn.ended {
			return
		}
	}
	if before <= l.start {
		return
	}
	if _, err := f.a.Upkeep.DeleteRecords(f.t.Context(), record.TopicPartition{Topic: f.topics[name].id, Partition: p}, before); err != nil {
		f.t.Fatal(err)
	}
	l.start = before
}
