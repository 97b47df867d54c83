package reference_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/coretest"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/reference"
	"github.com/firnlog/firnlog/core/upkeep"
)

// fixture is a partition with three spans in its head, offsets 0, 1 and 2.
type fixture struct {
	*coretest.Cluster
	t       *testing.T
	a       *coretest.Instance
	tp      record.TopicPartition
	swapper *reference.Swapper
}

func bubble(t *testing.T, fn func(f *fixture)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		c := coretest.NewCluster(t)
		f := &fixture{Cluster: c, t: t, tp: record.TopicPartition{Topic: c.CreateTopic("t", 90)}}
		f.a = c.Instance("a", coretest.Options{Upkeep: func(s *upkeep.Settings) { s.CheckpointAge, s.Lag = 0, 0 }}).Ready()
		f.swapper = &reference.Swapper{KV: f.a.KV, Keys: c.Keys, Stream: f.a.Stream}
		for range 3 {
			f.a.MustProduce(coretest.Plain(f.tp, "v"))
		}
		f.checkpoint()
		fn(f)
	})
}

func (f *fixture) checkpoint() {
	f.t.Helper()
	f.a.Upkeep.Observe()
	if err := f.a.Upkeep.Checkpoint(f.t.Context()); err != nil {
		f.t.Fatal(err)
	}
}

// head of a partition, as etcd has it.
func (f *fixture) head(tp record.TopicPartition) *ledger.Head {
	f.t.Helper()
	snap, err := f.Etcd.Get(f.t.Context(), f.Keys.Head(tp.Topic, tp.Partition))
	if err != nil || snap.Items[0].Create == 0 {
		f.t.Fatalf("no head of partition %d: %v", tp.Partition, err)
	}
	h, err := ledger.DecodeHead(snap.Items[0].Value)
	if err != nil {
		f.t.Fatal(err)
	}
	return h
}

func (f *fixture) id() ulid.ULID {
	f.t.Helper()
	id, err := f.a.Stream.NewID()
	if err != nil {
		f.t.Fatal(err)
	}
	return id
}

// settle makes the change that puts one new span in the place of some.
func (f *fixture) settle(tp record.TopicPartition, spans []ledger.Span) reference.Change {
	f.t.Helper()
	last := spans[len(spans)-1]
	into := ledger.Span{Segment: f.id(), Place: ledger.InShared, Tier: 1, Position: 8, Length: 100, Base: spans[0].Base, End: last.End, MaxTimestamp: last.MaxTimestamp}
	return reference.Change{Partition: tp, Remove: slices.Clone(spans), Insert: []ledger.Span{into}}
}

func (f *fixture) swap(changes ...reference.Change) []reference.Outcome {
	f.t.Helper()
	out, err := f.swapper.Swap(f.t.Context(), changes)
	if err != nil {
		f.t.Fatal(err)
	}
	return out
}

func (f *fixture) want(got []reference.Outcome, want ...reference.Outcome) {
	f.t.Helper()
	if !slices.Equal(got, want) {
		f.t.Fatalf("outcomes %v, want %v", got, want)
	}
}

// refers checks what the head names: ids of objects in order.
func (f *fixture) refers(want ...ulid.ULID) {
	f.t.Helper()
	var got []ulid.ULID
	h := f.head(f.tp)
	for i := range h.Spans {
		got = append(got, h.Spans[i].Segment)
	}
	if !slices.Equal(got, want) {
		f.t.Errorf("the head refers to %v, want %v", got, want)
	}
}

func TestSwap_ReplacesJustTheReferencesNamedAndNothingElseOfTheHead(t *testing.T) {
	bubble(t, func(f *fixture) {
		f.a.MustProduce(coretest.Idempotent(f.tp, 7, 0, 0, "i"))
		f.checkpoint()
		before := f.head(f.tp)
		c := f.settle(f.tp, before.Spans[:2])
		f.want(f.swap(c), reference.Swapped)
		after := f.head(f.tp)
		f.refers(c.Insert[0].Segment, before.Spans[2].Segment, before.Spans[3].Segment)
		before.Spans = append(slices.Clone(c.Insert), before.Spans[2:]...)
		if string(before.Encode()) != string(after.Encode()) {
			f.t.Errorf("the head became %+v, want %+v", after, before)
		}
		f.a.View(func(l *ledger.Ledger) {
			if s := l.Partition(f.tp).Stored(); len(s) != 3 || s[0].Place != ledger.InShared {
				f.t.Errorf("the ledger has %+v", s)
			}
		})
	})
}

func TestSwap_ReadsTheHeadAnewSoThatACheckpointInBetweenIsKept(t *testing.T) {
	bubble(t, func(f *fixture) {
		c := f.settle(f.tp, f.head(f.tp).Spans[:2])
		f.a.MustProduce(coretest.Plain(f.tp, "later"))
		f.checkpoint()
		later := f.head(f.tp)
		f.want(f.swap(c), reference.Swapped)
		f.refers(c.Insert[0].Segment, later.Spans[2].Segment, later.Spans[3].Segment)
		if got := f.head(f.tp); got.AsOf != later.AsOf || got.Next != later.Next {
			f.t.Errorf("as-of %d, next %d, want those of the checkpoint: %d, %d", got.AsOf, got.Next, later.AsOf, later.Next)
		}
	})
}

// between runs fn once, after the heads were read and before they are written.
func (f *fixture) between(fn func()) {
	done := false
	f.FaultKV(func(_ string, op coordination.Op, key string) coordination.Decision {
		if op == coordination.OpCommit && !done && strings.Contains(key, "/heads/") {
			done = true
			fn()
		}
		return coordination.Decision{}
	})
}

func TestSwap_ACheckpointBetweenReadingAndWritingIsAConflictThatIsTriedAgain(t *testing.T) {
	bubble(t, func(f *fixture) {
		b := f.Instance("b", coretest.Options{Upkeep: func(s *upkeep.Settings) { s.CheckpointAge, s.Lag = 0, 0 }}).Ready()
		c := f.settle(f.tp, f.head(f.tp).Spans[:2])
		var later *ledger.Head
		f.between(func() {
			b.MustProduce(coretest.Plain(f.tp, "later"))
			b.Upkeep.Observe()
			if err := b.Upkeep.Checkpoint(f.t.Context()); err != nil {
				f.t.Error(err)
			}
			later = f.head(f.tp)
		})
		f.want(f.swap(c), reference.Swapped)
		if got := f.head(f.tp); got.AsOf != later.AsOf || len(got.Spans) != 3 {
			f.t.Errorf("as-of %d with %d spans: the checkpoint was overwritten (as-of %d)", got.AsOf, len(got.Spans), later.AsOf)
		}
	})
}

func TestSwap_WhatSomebodyElseReplacedStaysAsItIs(t *testing.T) {
	bubble(t, func(f *fixture) {
		spans := f.head(f.tp).Spans
		first, second := f.settle(f.tp, spans[:2]), f.settle(f.tp, spans[1:])
		f.want(f.swap(first), reference.Swapped)
		f.want(f.swap(second), reference.Changed)
		f.refers(first.Insert[0].Segment, spans[2].Segment)
	})
}

func TestSwap_TheLargerLogStartIsKeptAndWhatLiesBelowItIsLeftOut(t *testing.T) {
	bubble(t, func(f *fixture) {
		spans := f.head(f.tp).Spans
		c := f.settle(f.tp, spans[:2])
		below := f.settle(record.TopicPartition{Topic: f.tp.Topic, Partition: 1}, spans[:1])
		f.a.MustProduce(coretest.Plain(below.Partition, "x"), coretest.Plain(below.Partition, "y"))
		f.checkpoint()
		below.Remove = f.head(below.Partition).Spans[:1]
		below.Insert[0].End = below.Remove[0].End
		f.a.MustProduce(coretest.Plain(below.Partition, "z"))
		for _, d := range []struct {
			tp     record.TopicPartition
			before record.Offset
		}{{f.tp, 1}, {below.Partition, below.Remove[0].End}} {
			if _, err := f.a.Upkeep.DeleteRecords(f.t.Context(), d.tp, d.before); err != nil {
				f.t.Fatal(err)
			}
		}
		f.want(f.swap(c, below), reference.Swapped, reference.Changed)
		if got := f.head(f.tp); got.LogStart != 1 {
			f.t.Errorf("log start %d, want 1", got.LogStart)
		}
		f.refers(c.Insert[0].Segment, spans[2].Segment)
	})
}

func TestSwap_AnAnswerThatWasLostIsFoundInTheHead(t *testing.T) {
	for name, fail := range map[string]coordination.Failure{"applied": coordination.FailAfter, "applied later": coordination.FailLate} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(f *fixture) {
				spans := f.head(f.tp).Spans
				c := f.settle(f.tp, spans[:2])
				failed := false
				f.FaultKV(func(_ string, op coordination.Op, _ string) (d coordination.Decision) {
					if op == coordination.OpCommit && !failed {
						failed, d.Fail = true, fail
					}
					return d
				})
				f.want(f.swap(c), reference.Swapped)
				for f.a.KV.Late() > 0 {
					if res, err := f.a.KV.Land(f.t.Context(), 0); err != nil || res.Committed {
						f.t.Errorf("the late try: %+v, %v; it must change nothing", res, err)
					}
				}
				f.refers(c.Insert[0].Segment, spans[2].Segment)
			})
		})
	}
}

func TestSwap_NoTriesAreLeftWhenHeadsAlwaysChange(t *testing.T) {
	bubble(t, func(f *fixture) {
		c := f.settle(f.tp, f.head(f.tp).Spans)
		f.FaultKV(func(who string, op coordination.Op, key string) coordination.Decision {
			if op == coordination.OpCommit {
				f.Put(f.Keys.Head(f.tp.Topic, 0), f.head(f.tp).Encode())
			}
			return coordination.Decision{}
		})
		out, err := f.swapper.Swap(f.t.Context(), []reference.Change{c})
		if !errors.Is(err, reference.ErrConflict) || out[0] != reference.Open {
			f.t.Errorf("%v, %v", out, err)
		}
	})
}

func TestSwap_StopsWithItsContext(t *testing.T) {
	bubble(t, func(f *fixture) {
		ctx, cancel := context.WithTimeout(f.t.Context(), time.Second)
		defer cancel()
		f.FaultKV(func(_ string, op coordination.Op, _ string) (d coordination.Decision) {
			if op == coordination.OpCommit {
				d.Delay = time.Hour
			}
			return d
		})
		if _, err := f.swapper.Swap(ctx, []reference.Change{f.settle(f.tp, f.head(f.tp).Spans)}); err == nil {
			f.t.Error("no error")
		}
	})
}
