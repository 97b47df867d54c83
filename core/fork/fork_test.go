package fork_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/coretest"
	"github.com/firnlog/firnlog/core/fork"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/topic"
	"github.com/firnlog/firnlog/objectstore"
)

// history gives a topic objects of all kinds: a manifest, settled spans, segments, and what no checkpoint has covered.
func (f *fixture) history(name string, rounds int) {
	f.t.Helper()
	for i := range rounds {
		for k := range 8 {
			f.produce(name, int32(k%2), 1+i%3, "")
		}
		if i%5 == 0 {
			f.produce(name, 0, 2, "x")
			f.end("x", i%2 == 0)
		}
		f.settle()
		time.Sleep(20 * time.Second)
	}
	f.produce(name, 0, 2, "")
	f.checkpoint()
	f.produce(name, 0, 2, "") // acknowledged, in no head yet
	f.produce(name, 1, 1, "")
}

// counted gives how often each kind of request was made since it was last asked.
func (f *fixture) counted() map[string]int {
	out := map[string]int{}
	for _, line := range f.Transcript() {
		words := strings.Fields(line)
		out[words[1]+" "+words[2]]++
	}
	return out
}

func TestFork_WritesNoObjectAndOneTransaction(t *testing.T) {
	bubble(t, func(f *fixture) {
		f.topic("t")
		f.history("t", 30)
		h := f.head(f.topics["t"].id, 0)
		if h.Manifest == nil || len(h.Spans) == 0 {
			f.t.Fatalf("no manifest, or nothing in the head: %+v", h)
		}
		before := f.Bucket()
		f.checkpoint()
		f.counted()
		got := f.fork("t", "now", time.Time{})
		if n := f.counted(); n["store put"]+n["store get"]+n["store list"] != 0 || n["kv commit"] != 1 {
			f.t.Errorf("requests: %v", n)
		}
		at := f.topics["t"].when(30, 1)
		got2 := f.fork("t", "then", at)
		if n := f.counted(); n["store put"] != 0 || n["kv commit"] != 1 || n["store get"] == 0 || got2.Gets == 0 {
			f.t.Errorf("requests: %v, %+v", n, got2)
		}
		if after := f.Bucket(); !slices.Equal(before, after) {
			f.t.Errorf("%d objects, %d before", len(after), len(before))
		}
		if got.Objects == 0 || got2.Objects == 0 || got2.Bytes >= got.Bytes {
			f.t.Errorf("%+v, %+v", got, got2)
		}
		f.check()
		f.finish()
	})
}

func TestFork_HasWhatWasAcknowledgedBeforeTheCallThroughAnyInstance(t *testing.T) {
	bubble(t, func(f *fixture) {
		f.topic("t")
		f.produce("t", 0, 3, "")
		late := f.Instance("b", coretest.Options{}).Ready()
		f.produce("t", 1, 2, "")
		got, err := f.forkerOf(late).Fork(f.t.Context(), fork.Request{From: "t", Name: "f"})
		if err != nil || got.Partitions[0].End != 3 || got.Partitions[1].End != 2 {
			f.t.Fatalf("%+v, %v", got, err)
		}
		f.topics["f"] = f.topics["t"].fork(got.Topic.ID, time.Time{})
		f.check()
		f.checkOn(late)
		f.checkOn(f.Instance("c", coretest.Options{}).Ready())
	})
}

func TestFork_StateIsTheSameHoweverAnInstanceLearnedIt(t *testing.T) {
	bubble(t, func(f *fixture) {
		f.topic("t")
		f.history("t", 12)
		f.produce("t", 0, 1, "open")
		got := f.fork("t", "f", time.Time{})
		f.produce("f", 0, 2, "open")
		f.produce("f", 1, 2, "")
		late := f.Instance("late", coretest.Options{}).Ready()
		f.a.Barrier()
		late.Barrier()
		for p := range int32(partitions) {
			tp := record.TopicPartition{Topic: got.Topic.ID, Partition: p}
			var digests []uint64
			for _, in := range []*coretest.Instance{f.a, late} {
				in.View(func(l *ledger.Ledger) { digests = append(digests, l.Partition(tp).Digest()) })
			}
			if digests[0] != digests[1] {
				f.t.Errorf("partition %d: the fold differs", p)
			}
		}
		f.check()
	})
}

// The floor passes the source's objects, they are replaced and swept, all between the reading of heads and the transaction.
func TestFork_OfHeadsThatChangeMeanwhileRefersToNothingThatIsSwept(t *testing.T) {
	bubble(t, func(f *fixture) {
		f.topic("t")
		f.history("t", 6)
		f.checkpoint()
		b := f.Instance("b", coretest.Options{}).Ready()
		times := 0
		f.FaultKV(func(who string, op coordination.Op, key string) (d coordination.Decision) {
			if who == "b" && op == coordination.OpCommit {
				if times++; times <= 3 {
					f.produce("t", 0, 3, "")
					time.Sleep(2 * time.Minute)
					f.settle()
					f.sweep()
				}
			}
			return d
		})
		got, err := f.forkerOf(b).Fork(f.t.Context(), fork.Request{From: "t", Name: "f"})
		f.FaultKV(nil)
		if err != nil || times != 4 {
			f.t.Fatalf("%v, %d tries", err, times)
		}
		f.topics["f"] = f.topics["t"].fork(got.Topic.ID, time.Time{})
		f.sweep()
		f.check()
		f.finish()
	})
}

func TestFork_ASourceThatIsDeletedMeanwhileIsNotForked(t *testing.T) {
	bubble(t, func(f *fixture) {
		f.topic("t")
		f.history("t", 4)
		f.checkpoint()
		f.FaultKV(func(_ string, op coordination.Op, key string) (d coordination.Decision) {
			if op == coordination.OpCommit && len(f.topics) > 0 {
				f.deleteTopic("t")
			}
			return d
		})
		f.refused(topic.ErrUnknownTopic, fork.Request{From: "t", Name: "f"})
		f.FaultKV(nil)
		f.sweep()
		if left := f.Items(f.Keys.Heads()); len(left) != 0 {
			f.t.Errorf("%d heads are left", len(left))
		}
		f.exact()
	})
}

// Every request of a fork fails once, before or after it took effect: the fork is there whole or not at all, and the caller is told.
func TestFork_FailsOrSucceedsWholeWhereverARequestFails(t *testing.T) {
	for _, fail := range []coordination.Failure{coordination.FailBefore, coordination.FailAfter} {
		for at := 0; ; at++ {
			reached := false
			bubble(t, func(f *fixture) {
				f.topic("t")
				f.history("t", 8)
				when := f.topics["t"].when(60, 1)
				kv, n := f.forkerOf(f.a), 0
				f.FaultKV(func(_ string, op coordination.Op, _ string) (d coordination.Decision) {
					if op == coordination.OpWatch || op == coordination.OpUpdate {
						return d
					}
					if n == at {
						d.Fail, reached = fail, true
					}
					n++
					return d
				})
				got, err := kv.Fork(f.t.Context(), fork.Request{From: "t", Name: "f", At: when})
				f.FaultKV(nil)
				f.a.Barrier()
				there, ok := f.a.Stream.TopicByName("f")
				if err == nil && (!ok || there.ID != got.Topic.ID) || err != nil && ok && !errors.Is(err, topic.ErrUnknown) {
					f.t.Fatalf("request %d, %v: %v, there %v", at, fail, err, ok)
				}
				if ok {
					f.topics["f"] = f.topics["t"].fork(there.ID, when)
				}
				f.check()
				f.finish()
			})
			if !reached {
				break
			}
		}
	}
}

func TestFork_RefusesBeforeAnythingIsWritten(t *testing.T) {
	bubble(t, func(f *fixture) {
		f.topic("t")
		f.topic("there.is")
		f.CreateTopic("wide", fork.PartitionsMax+1)
		f.a.Barrier()
		f.refused(topic.ErrUnknownTopic, fork.Request{From: "no", Name: "f"})
		f.refused(topic.ErrExists, fork.Request{From: "t", Name: "there.is"})
		f.refused(topic.ErrInvalidName, fork.Request{From: "t", Name: "there_is"})
		f.refused(topic.ErrInvalidName, fork.Request{From: "t", Name: "a/b"})
		f.refused(fork.ErrTooLarge, fork.Request{From: "wide", Name: "f"})
		f.fork("t", "empty", time.Time{})
		f.check()
	})
}

func TestFork_OfAsManyPartitionsAsFit(t *testing.T) {
	bubble(t, func(f *fixture) {
		id := f.CreateTopic("wide", fork.PartitionsMax)
		f.a.Barrier()
		for p := range int32(fork.PartitionsMax) {
			f.a.MustProduce(coretest.Plain(record.TopicPartition{Topic: id, Partition: p}, fmt.Sprint(p)))
		}
		got, err := f.forker.Fork(f.t.Context(), fork.Request{From: "wide", Name: "f"})
		if err != nil {
			f.t.Fatal(err)
		}
		for p := range int32(fork.PartitionsMax) {
			if all := f.a.ReadAll(record.TopicPartition{Topic: got.Topic.ID, Partition: p}); len(all) != 1 || all[0] != fmt.Sprint(p) {
				f.t.Errorf("partition %d: %v", p, all)
			}
		}
	})
}

func TestFork_HeadsThatDoNotFitAreRefused(t *testing.T) {
	bubble(t, func(f *fixture) {
		id := f.topic("t").id
		f.produce("t", 0, 1, "")
		f.produce("t", 1, 1, "")
		f.checkpoint()
		for p := range int32(partitions) {
			h := f.head(id, p)
			span := h.Spans[0]
			for range 42_000 {
				span.Base, span.End = span.End, span.End+1
				h.Spans = append(h.Spans, span)
			}
			h.Next = span.End
			f.Put(f.Keys.Head(id, p), h.Encode())
		}
		f.refused(fork.ErrTooLarge, fork.Request{From: "t", Name: "f"})
		if _, there := f.a.Stream.TopicByName("f"); there {
			f.t.Error("it is there")
		}
	})
}

func TestFork_BytesThatCannotBeReadRefuseATimeAndNotAForkOfAll(t *testing.T) {
	bubble(t, func(f *fixture) {
		f.topic("t")
		f.history("t", 20)
		f.FaultStore(func(_ string, op objectstore.Op, _ string) (d objectstore.Decision) {
			if op == objectstore.OpGet {
				d.Fail = objectstore.FailBefore
			}
			return d
		})
		f.refused(topic.ErrUnavailable, fork.Request{From: "t", Name: "f", At: f.topics["t"].when(50, 1)})
		f.fork("t", "all", time.Time{})
		f.FaultStore(nil)
		f.check()
	})
}
