package ingest_test

import (
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/coretest"
	"github.com/firnlog/firnlog/core/ingest"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/objectstore"
)

// Finding 10: a bootstrap jumps over the commit; offsets are never guessed.
func TestLearn_WhatABootstrapJumpedOverIsUnknownUnlessTheWindowTells(t *testing.T) {
	bubble(t, coretest.Options{}, func(t *testing.T, f *fixture) {
		b := f.Instance("b", coretest.Options{Upkeep: eager}).Ready()
		f.FaultKV(func(who string, op coordination.Op, _ string) coordination.Decision {
			if who == "a" && (op == coordination.OpWatch || op == coordination.OpUpdate) {
				return coordination.Decision{Fail: coordination.FailBefore}
			}
			return coordination.Decision{}
		})
		f.a.KV.BreakWatches()
		p := f.a.Ingest.Add(t.Context(), []ingest.Incoming{coretest.Plain(f.tp, "x"), coretest.Idempotent(f.tp, 7, 0, 0, "y")})
		time.Sleep(100 * time.Millisecond)
		b.Barrier()
		b.Upkeep.Observe()
		if err := b.Upkeep.Checkpoint(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := f.Etcd.Compact(t.Context(), f.Put(f.Keys.Lease("x"), nil)); err != nil {
			t.Fatal(err)
		}
		f.FaultKV(nil)
		out := p.Wait(t.Context())
		if !errors.Is(out[0].Err, ingest.ErrUnknown) {
			t.Errorf("plain: %+v, want ErrUnknown", out[0])
		}
		if out[1].Err != nil || out[1].Base != 1 {
			t.Errorf("idempotent: %+v, want offset 1 from the producer's window", out[1])
		}
	})
}

// Anomaly 28, I13: etcd is away for a while; nobody need be restarted.
func TestAnomaly28_RecoversByItselfWhenEtcdComesLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := coretest.NewCluster(t)
		tp := record.TopicPartition{Topic: c.CreateTopic("t", 1)}
		c.FaultKV(func(string, coordination.Op, string) coordination.Decision {
			return coordination.Decision{Fail: coordination.FailBefore}
		})
		a := c.Instance("a", coretest.Options{})
		time.Sleep(5 * time.Minute)
		if out := a.Produce(coretest.Plain(tp, "x"))[0]; !errors.Is(out.Err, ingest.ErrNotAppended) {
			t.Errorf("%v, want a retriable refusal", out.Err)
		}
		c.FaultKV(nil)
		time.Sleep(2 * time.Second)
		a.MustProduce(coretest.Plain(tp, "x"))
		c.FaultKV(func(string, coordination.Op, string) coordination.Decision {
			return coordination.Decision{Fail: coordination.FailBefore}
		})
		a.KV.BreakWatches()
		if out := a.Produce(coretest.Plain(tp, "y"))[0]; !errors.Is(out.Err, ingest.ErrNotAppended) {
			t.Errorf("%v, want a retriable refusal", out.Err)
		}
		c.FaultKV(nil)
		time.Sleep(2 * time.Second)
		a.MustProduce(coretest.Plain(tp, "z"))
		if got := a.ReadAll(tp); !slices.Equal(got, []string{"x", "z"}) {
			t.Errorf("read %q", got)
		}
	})
}

// Anomaly 24: a put times out after it succeeded, and a late one arrives after the writer was given up.
func TestAnomaly24_APutOfUnknownOutcomeIsNotAppendedAndItsObjectIsNeverServed(t *testing.T) {
	for name, fail := range map[string]objectstore.Failure{"it was stored": objectstore.FailAfter, "it comes late": objectstore.FailLate} {
		t.Run(name, func(t *testing.T) {
			bubble(t, coretest.Options{}, func(t *testing.T, f *fixture) {
				var puts atomic.Int64
				f.FaultStore(func(_ string, op objectstore.Op, _ string) objectstore.Decision {
					if op == objectstore.OpPut && puts.Add(1) == 1 {
						return objectstore.Decision{Fail: fail}
					}
					return objectstore.Decision{}
				})
				if out := f.a.Produce(coretest.Plain(f.tp, "lost"))[0]; !errors.Is(out.Err, ingest.ErrNotAppended) {
					t.Errorf("%v, want ErrNotAppended", out.Err)
				}
				f.a.MustProduce(coretest.Plain(f.tp, "x"))
				for f.a.Store.Late() > 0 {
					if _, err := f.a.Store.Land(t.Context(), 0); err != nil {
						t.Error(err)
					}
				}
				if n := len(f.Objects()); n != 2 {
					t.Errorf("%d objects", n)
				}
				if got := f.a.ReadAll(f.tp); !slices.Equal(got, []string{"x"}) {
					t.Errorf("read %q", got)
				}
			})
		})
	}
}

// Anomalies 1 and 2: the same stream gives the same offsets on every instance.
func TestAnomaly1_TwoWritersNeverAssignTheSameOffset(t *testing.T) {
	bubble(t, coretest.Options{Linger: time.Millisecond}, func(t *testing.T, f *fixture) {
		b := f.Instance("b", coretest.Options{Linger: time.Millisecond}).Ready()
		f.FaultStore(func(who string, op objectstore.Op, _ string) objectstore.Decision { // backpressure on one
			if who == "b" && op == objectstore.OpPut {
				return objectstore.Decision{Delay: 7 * time.Millisecond}
			}
			return objectstore.Decision{}
		})
		type done struct {
			value string
			base  record.Offset
		}
		results := make(chan done, 100)
		for i := range 100 {
			in := []*coretest.Instance{f.a, b}[i%2]
			value := string(rune('A' + i))
			go func() {
				time.Sleep(time.Duration(i) * time.Millisecond)
				results <- done{value, in.MustProduce(coretest.Plain(f.tp, value))[0]}
			}()
		}
		at := map[record.Offset]string{}
		for range 100 {
			d := <-results
			if other, taken := at[d.base]; taken {
				t.Errorf("offset %d was given to %q and to %q", d.base, other, d.value)
			}
			at[d.base] = d.value
		}
		for _, in := range []*coretest.Instance{f.a, b} {
			for offset, value := range in.ReadAll(f.tp) {
				if at[record.Offset(offset)] != value {
					t.Errorf("%s: offset %d is %q, acknowledged was %q", in.Name, offset, value, at[record.Offset(offset)])
				}
			}
		}
	})
}

// Anomaly 8 and I1: no reader sees a reference to an object that is not there.
func TestAnomaly8_TheCommitIsSentOnlyWhenTheObjectIsThere(t *testing.T) {
	bubble(t, coretest.Options{}, func(t *testing.T, f *fixture) {
		f.FaultStore(func(_ string, op objectstore.Op, _ string) objectstore.Decision {
			return objectstore.Decision{Delay: time.Second}
		})
		f.FaultKV(func(who string, op coordination.Op, key string) coordination.Decision {
			if k := f.Keys.ParseLog(key); op == coordination.OpCommit && k.Family == coordination.FamilyCommit && !slices.Contains(f.Objects(), ledger.SegmentKey(k.ID)) {
				t.Errorf("commit %s is sent before its segment is stored", k.ID)
			}
			return coordination.Decision{}
		})
		for range 3 {
			f.a.MustProduce(coretest.Plain(f.tp, "x"))
		}
	})
}
