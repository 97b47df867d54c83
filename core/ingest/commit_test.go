package ingest_test

import (
	"context"
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
	"github.com/firnlog/firnlog/core/upkeep"
	"github.com/firnlog/firnlog/objectstore"
)

func contextFor(t *testing.T, d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(t.Context(), d)
}

// onCommit decides about the n-th commit that an instance sends.
func onCommit(f *fixture, decide func(n int64) coordination.Decision) {
	var commits atomic.Int64
	f.FaultKV(func(who string, op coordination.Op, key string) coordination.Decision {
		if who == "a" && op == coordination.OpCommit && f.Keys.ParseLog(key).Family == coordination.FamilyCommit {
			return decide(commits.Add(1))
		}
		return coordination.Decision{}
	})
}

func at(n, bad int64, fail coordination.Failure) coordination.Decision {
	if n == bad {
		return coordination.Decision{Fail: fail}
	}
	return coordination.Decision{}
}

// raiseFloor moves stamp and floor so that every id drawn so far is at or below the floor.
func raiseFloor(f *fixture) {
	now := coordination.Mark(time.Now().UnixMilli())
	f.Put(f.Keys.Stamp(), (now + 2).Bytes())
	f.Put(f.Keys.Floor(), (now + 1).Bytes())
}

// Anomaly 25: etcd times out after it succeeded.
func TestAnomaly25_LostAnswerToACommitIsHarmless(t *testing.T) {
	bubble(t, coretest.Options{}, func(t *testing.T, f *fixture) {
		onCommit(f, func(n int64) coordination.Decision { return at(n, 1, coordination.FailAfter) })
		if got := f.a.MustProduce(coretest.Plain(f.tp, "x", "y")); got[0] != 0 {
			t.Errorf("base %d", got[0])
		}
		wantTranscript(t, f.requests(), "a store put segments/<id>", "a kv commit log/commits/<id>", "a kv commit log/commits/<id>")
		f.a.MustProduce(coretest.Plain(f.tp, "z"))
		if got := f.a.ReadAll(f.tp); !slices.Equal(got, []string{"x", "y", "z"}) {
			t.Errorf("read %q", got)
		}
	})
}

func TestCommit_AppliedLateIsTheSameRecordAndNotTwo(t *testing.T) {
	bubble(t, coretest.Options{}, func(t *testing.T, f *fixture) {
		onCommit(f, func(n int64) coordination.Decision { return at(n, 1, coordination.FailLate) })
		f.a.MustProduce(coretest.Plain(f.tp, "x"))
		if res, err := f.a.KV.Land(t.Context(), 0); err != nil || res.Committed {
			t.Errorf("the first try landed after the second: committed %t, %v", res.Committed, err)
		}
		// Even after it was covered, trimmed and forgotten: the floor has passed it by then.
		raiseFloor(f)
		if got := f.a.ReadAll(f.tp); !slices.Equal(got, []string{"x"}) {
			t.Errorf("read %q", got)
		}
	})
}

func TestCommit_LostBeforeItArrivedIsSentAgainUnchanged(t *testing.T) {
	bubble(t, coretest.Options{}, func(t *testing.T, f *fixture) {
		onCommit(f, func(n int64) coordination.Decision {
			if n <= 3 {
				return coordination.Decision{Fail: coordination.FailBefore, Err: coordination.ErrUnknown}
			}
			return coordination.Decision{}
		})
		f.a.MustProduce(coretest.Plain(f.tp, "x"))
		if n := len(f.Objects()); n != 1 {
			t.Errorf("%d objects, want the one", n)
		}
		if n := len(f.Items(f.Keys.Commits())); n != 1 {
			t.Errorf("%d commits, want 1", n)
		}
	})
}

// An unknown outcome is settled before any later record is sent.
func TestCommit_NoLaterRecordOvertakesAnUnknownOne(t *testing.T) {
	bubble(t, coretest.Options{}, func(t *testing.T, f *fixture) {
		onCommit(f, func(n int64) coordination.Decision {
			if n <= 5 {
				return coordination.Decision{Fail: coordination.FailBefore, Err: coordination.ErrUnknown}
			}
			return coordination.Decision{}
		})
		first := f.a.Ingest.Add(t.Context(), []ingest.Incoming{coretest.Idempotent(f.tp, 7, 0, 0, "x")})
		time.Sleep(15 * time.Millisecond)
		second := f.a.Ingest.Add(t.Context(), []ingest.Incoming{coretest.Idempotent(f.tp, 7, 0, 1, "y")})
		for i, p := range []*ingest.Pending{first, second} {
			if out := p.Wait(t.Context())[0]; out.Err != nil || out.Base != record.Offset(i) {
				t.Errorf("batch %d: %+v", i, out)
			}
		}
	})
}

func TestCommit_RefusedByTheFloorWithoutDoubtIsPutAgainUnderANewID(t *testing.T) {
	bubble(t, coretest.Options{}, func(t *testing.T, f *fixture) {
		f.FaultStore(func(_ string, op objectstore.Op, _ string) objectstore.Decision {
			if op == objectstore.OpPut && len(f.Objects()) == 0 {
				return objectstore.Decision{Delay: time.Second}
			}
			return objectstore.Decision{}
		})
		p := f.a.Ingest.Add(t.Context(), []ingest.Incoming{coretest.Plain(f.tp, "x")})
		time.Sleep(500 * time.Millisecond) // sealed, being put
		raiseFloor(f)
		if out := p.Wait(t.Context())[0]; out.Err != nil || out.Base != 0 {
			t.Errorf("%+v", out)
		}
		var writes []string
		for _, l := range f.requests() {
			if l != "a kv get log/format" { // of the barrier
				writes = append(writes, l)
			}
		}
		wantTranscript(t, writes, "a store put segments/<id>", "a kv commit log/commits/<id>", "a store put segments/<id>", "a kv commit log/commits/<id>")
		if n := len(f.Objects()); n != 2 {
			t.Errorf("%d objects: the first stays, for sweep alone to delete", n)
		}
		if got := f.a.ReadAll(f.tp); !slices.Equal(got, []string{"x"}) {
			t.Errorf("read %q", got)
		}
	})
}

// An instance whose watch lags behind the floor does not put the same bytes again and again.
func TestCommit_RefusedByTheFloorWhileTheWatchIsAwayDoesNotLoop(t *testing.T) {
	bubble(t, coretest.Options{Skew: -time.Hour}, func(t *testing.T, f *fixture) {
		f.FaultKV(func(_ string, op coordination.Op, _ string) coordination.Decision {
			if op == coordination.OpWatch || op == coordination.OpUpdate || op == coordination.OpProgress {
				return coordination.Decision{Fail: coordination.FailBefore}
			}
			return coordination.Decision{}
		})
		f.a.KV.BreakWatches()
		time.Sleep(time.Second)
		raiseFloor(f)
		out := f.a.Produce(coretest.Plain(f.tp, "x"))[0]
		if !errors.Is(out.Err, ingest.ErrNotAppended) {
			t.Errorf("%v, want ErrNotAppended", out.Err)
		}
		if n := len(f.Objects()); n > 3 {
			t.Errorf("put %d times", n)
		}
	})
}

// Anomalies 4 and 26: a writer is paused with its commit in flight, the floor passes, everything
// is trimmed; then it goes on.
func TestAnomaly4_RefusedByTheFloorAfterAnUnknownOutcomeIsUnknownAndNeverGatheredAgain(t *testing.T) {
	bubble(t, coretest.Options{}, func(t *testing.T, f *fixture) {
		onCommit(f, func(n int64) coordination.Decision {
			switch n {
			case 1:
				return coordination.Decision{Fail: coordination.FailAfter} // it is in, the answer is lost
			case 2:
				return coordination.Decision{Delay: time.Second} // SIGSTOP
			}
			return coordination.Decision{}
		})
		p := f.a.Ingest.Add(t.Context(), []ingest.Incoming{coretest.Plain(f.tp, "x")})
		time.Sleep(500 * time.Millisecond)
		raiseFloor(f)
		b := f.Instance("b", coretest.Options{Upkeep: eager}).Ready()
		b.Barrier()
		b.Upkeep.Observe()
		for _, step := range []func(context.Context) error{b.Upkeep.Checkpoint, b.Upkeep.Trim} {
			if err := step(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if n := len(f.Items(f.Keys.Commits())); n != 0 {
			t.Fatalf("%d commits left, the test needs them trimmed", n)
		}
		out := p.Wait(t.Context())[0]
		if !errors.Is(out.Err, ingest.ErrUnknown) || errors.Is(out.Err, ingest.ErrNotAppended) {
			t.Errorf("%v, want ErrUnknown alone", out.Err)
		}
		time.Sleep(time.Minute)
		if got := b.ReadAll(f.tp); !slices.Equal(got, []string{"x"}) {
			t.Errorf("read %q, want it once", got)
		}
		f.a.MustProduce(coretest.Plain(f.tp, "next")) // and the instance goes on
	})
}

func TestAnomaly26_FrozenLongerThanEverythingItComesBackWithoutHarm(t *testing.T) {
	bubble(t, coretest.Options{}, func(t *testing.T, f *fixture) {
		onCommit(f, func(n int64) coordination.Decision {
			if n == 1 {
				return coordination.Decision{Fail: coordination.FailLate} // what was sent arrives after the thaw
			}
			return coordination.Decision{Delay: 4 * time.Second}
		})
		p := f.a.Ingest.Add(t.Context(), []ingest.Incoming{coretest.Idempotent(f.tp, 7, 0, 0, "x")})
		time.Sleep(2 * time.Second)
		raiseFloor(f)
		if res, err := f.a.KV.Land(t.Context(), 0); err != nil || res.Committed {
			t.Errorf("a commit at or below the floor landed: %t, %v", res.Committed, err)
		}
		if out := p.Wait(t.Context())[0]; !errors.Is(out.Err, ingest.ErrUnknown) {
			t.Errorf("%v, want ErrUnknown", out.Err)
		}
		f.FaultKV(nil)
		// The client tries again, at another instance: exactly once in the end.
		b := f.Instance("b", coretest.Options{}).Ready()
		b.MustProduce(coretest.Idempotent(f.tp, 7, 0, 0, "x"))
		if got := b.ReadAll(f.tp); !slices.Equal(got, []string{"x"}) {
			t.Errorf("read %q", got)
		}
	})
}

func eager(s *upkeep.Settings) { s.CheckpointAge, s.Lag = 0, 0 }

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
