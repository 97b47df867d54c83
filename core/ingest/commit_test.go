package ingest_test

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/coretest"
	"github.com/firnlog/firnlog/core/ingest"
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
