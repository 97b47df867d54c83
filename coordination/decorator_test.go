package coordination_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/coordination/kvtest"
	"github.com/firnlog/firnlog/coordination/memory"
)

// wrapped is a decorator around a store, with the store's Compact.
type wrapped struct {
	coordination.KV
	store *memory.KV
}

func (w wrapped) Compact(ctx context.Context, rev coordination.Revision) error {
	return w.store.Compact(ctx, rev)
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func pass(coordination.Op, string) coordination.Decision { return coordination.Decision{} }

func TestDecorators_LeaveAKVAsItIs(t *testing.T) {
	for _, c := range kvtest.Cases() {
		t.Run(c.Name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := memory.New(memory.Settings{})
				fault := coordination.NewFault(store, pass, sleep)
				c.Run(t, wrapped{coordination.NewMeter(fault, time.Now, nil), store})
			})
		})
	}
}

func put(key, value string) []coordination.Change {
	return []coordination.Change{coordination.PutKey(key, []byte(value))}
}

// faulty is a store whose requests of one kind meet one decision.
func faulty(op coordination.Op, d coordination.Decision) (*coordination.Fault, *memory.KV) {
	store := memory.New(memory.Settings{})
	return coordination.NewFault(store, func(o coordination.Op, _ string) coordination.Decision {
		if o == op {
			return d
		}
		return coordination.Decision{}
	}, sleep), store
}

func value(t *testing.T, kv coordination.KV, key string) string {
	t.Helper()
	snap, err := kv.Get(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	return string(snap.Items[0].Value)
}

func TestFault_CommitFailsWhereItWasDecided(t *testing.T) {
	for _, c := range []struct {
		name    string
		d       coordination.Decision
		class   error
		applied string
	}{
		{"before", coordination.Decision{Fail: coordination.FailBefore}, coordination.ErrUnavailable, ""},
		{"before, but nobody knows", coordination.Decision{Fail: coordination.FailBefore, Err: coordination.ErrUnknown}, coordination.ErrUnknown, ""},
		{"after", coordination.Decision{Fail: coordination.FailAfter}, coordination.ErrUnknown, "1"},
		{"late", coordination.Decision{Fail: coordination.FailLate}, coordination.ErrUnknown, ""},
	} {
		f, store := faulty(coordination.OpCommit, c.d)
		if res, err := f.Commit(t.Context(), nil, put("a", "1")); !errors.Is(err, c.class) || res.Committed {
			t.Errorf("%s: Commit = %+v, %v; want %v", c.name, res, err, c.class)
		}
		if got := value(t, store, "a"); got != c.applied {
			t.Errorf("%s: the value is %q, want %q", c.name, got, c.applied)
		}
		if _, err := f.Commit(t.Context(), nil, append(put("a", "1"), put("a", "2")...)); !errors.Is(err, coordination.ErrInvalid) {
			t.Errorf("%s: an invalid Commit: %v, want ErrInvalid", c.name, err)
		}
	}
}

func TestFault_ALateCommitEvaluatesItsGuardsWhenItLands(t *testing.T) {
	f, store := faulty(coordination.OpCommit, coordination.Decision{Fail: coordination.FailLate})
	buf := []byte("mine")
	guard := []coordination.Guard{coordination.Missing("a")}
	for range 2 {
		if _, err := f.Commit(t.Context(), guard, []coordination.Change{coordination.PutKey("a", buf)}); !errors.Is(err, coordination.ErrUnknown) {
			t.Fatal(err)
		}
	}
	copy(buf, "XXXX")
	if f.Late() != 2 {
		t.Fatalf("%d late commits", f.Late())
	}
	if res, err := f.Land(t.Context(), 1); err != nil || !res.Committed {
		t.Errorf("Land = %+v, %v", res, err)
	}
	if got := value(t, store, "a"); got != "mine" {
		t.Errorf("the value is %q: it follows the caller's buffer", got)
	}
	if res, err := f.Land(t.Context(), 0); err != nil || res.Committed {
		t.Errorf("Land after another = %+v, %v; want a failed guard", res, err)
	}
	if _, err := f.Land(t.Context(), 0); err == nil || f.Late() != 0 {
		t.Errorf("Land without late commits: %v, %d left", err, f.Late())
	}
}

func TestFault_ReadsAndOpeningsFail(t *testing.T) {
	calls := map[coordination.Op]func(kv coordination.KV) error{
		coordination.OpGet:   func(kv coordination.KV) error { _, err := kv.Get(t.Context(), "a"); return err },
		coordination.OpList:  func(kv coordination.KV) error { _, err := kv.List(t.Context(), coordination.Range{}); return err },
		coordination.OpWatch: func(kv coordination.KV) error { _, err := kv.Watch(t.Context(), "", 0); return err },
		coordination.OpGrant: func(kv coordination.KV) error { _, err := kv.Grant(t.Context(), time.Second); return err },
	}
	for op, call := range calls {
		f, _ := faulty(op, coordination.Decision{Fail: coordination.FailBefore})
		if err := call(f); !errors.Is(err, coordination.ErrUnavailable) {
			t.Errorf("%v: %v, want ErrUnavailable", op, err)
		}
		f, _ = faulty(op, coordination.Decision{Fail: coordination.FailBefore, Err: coordination.ErrCompacted})
		if err := call(f); !errors.Is(err, coordination.ErrCompacted) {
			t.Errorf("%v: %v, want ErrCompacted", op, err)
		}
	}
}

func TestFault_ALostAnswerToRevokeStillRevokes(t *testing.T) {
	f, store := faulty(coordination.OpRevoke, coordination.Decision{Fail: coordination.FailAfter})
	l, err := f.Grant(t.Context(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Commit(t.Context(), nil, []coordination.Change{coordination.PutLeased("a", []byte("1"), l.ID())}); err != nil {
		t.Fatal(err)
	}
	if err := l.Revoke(t.Context()); !errors.Is(err, coordination.ErrUnavailable) {
		t.Errorf("Revoke: %v, want ErrUnavailable", err)
	}
	if got := value(t, store, "a"); got != "" {
		t.Errorf("a is %q after its lease was revoked", got)
	}
}

func TestFault_AnUpdateThatFailsEndsItsWatchAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memory.New(memory.Settings{})
		f := coordination.NewFault(store, func(op coordination.Op, key string) coordination.Decision {
			if op == coordination.OpUpdate && key == "a" {
				return coordination.Decision{Fail: coordination.FailBefore}
			}
			return coordination.Decision{}
		}, sleep)
		broken, sound := watch(t, f, "a"), watch(t, f, "")
		commit(t, f, "a")
		if u := <-broken.Updates(); !errors.Is(u.Err, coordination.ErrUnavailable) || len(u.Events) != 0 {
			t.Errorf("update %+v, want ErrUnavailable", u)
		}
		if u, open := <-broken.Updates(); open {
			t.Errorf("update %+v after the end", u)
		}
		if err := broken.RequestProgress(t.Context()); !errors.Is(err, coordination.ErrUnavailable) {
			t.Errorf("RequestProgress of an ended watch: %v", err)
		}
		if u := <-sound.Updates(); u.Err != nil || len(u.Events) != 1 {
			t.Errorf("the other watch: %+v", u)
		}
	})
}

func TestFault_BreakWatchesEndsIdleAndBlockedOnes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, _ := faulty(coordination.OpGet, coordination.Decision{})
		idle, blocked := watch(t, f, "none"), watch(t, f, "")
		commit(t, f, "a")
		synctest.Wait() // blocked holds an update that nobody receives
		f.BreakWatches()
		for _, w := range []coordination.Watcher{idle, blocked} {
			if u := <-w.Updates(); !errors.Is(u.Err, coordination.ErrUnavailable) {
				t.Errorf("update %+v, want ErrUnavailable", u)
			}
		}
		fresh := watch(t, f, "")
		commit(t, f, "a")
		if u := <-fresh.Updates(); u.Err != nil {
			t.Errorf("a watch opened later: %+v", u)
		}
	})
}

func TestFault_ALaggingWatchDeliversLaterAndInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, _ := faulty(coordination.OpUpdate, coordination.Decision{Delay: time.Minute})
		w := watch(t, f, "")
		begin := time.Now()
		one, two := commit(t, f, "a"), commit(t, f, "b")
		var got []coordination.Revision
		for len(got) < 2 {
			for _, e := range (<-w.Updates()).Events {
				got = append(got, e.Revision)
			}
		}
		if time.Since(begin) < time.Minute || got[0] != one || got[1] != two {
			t.Errorf("events of %v after %v", got, time.Since(begin))
		}
	})
}

func TestFault_ADroppedRequestForProgressIsSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, _ := faulty(coordination.OpProgress, coordination.Decision{Fail: coordination.FailBefore})
		rev := commit(t, f, "other")
		w, err := f.Watch(t.Context(), "a", rev)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.RequestProgress(t.Context()); err != nil {
			t.Errorf("RequestProgress: %v", err)
		}
		synctest.Wait()
		select {
		case u := <-w.Updates():
			t.Errorf("update %+v", u)
		default:
		}
	})
}

func watch(t *testing.T, kv coordination.KV, prefix string) coordination.Watcher {
	t.Helper()
	w, err := kv.Watch(t.Context(), prefix, 0)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func commit(t *testing.T, kv coordination.KV, key string) coordination.Revision {
	t.Helper()
	res, err := kv.Commit(t.Context(), nil, put(key, "x"))
	if err != nil {
		t.Fatal(err)
	}
	return res.Revision
}

func TestMeter_CountsRequestsAndWhatTheyDid(t *testing.T) {
	var observed []coordination.Op
	m := coordination.NewMeter(memory.New(memory.Settings{}), time.Now, func(o coordination.Observation) { observed = append(observed, o.Op) })
	ctx := t.Context()
	guard := []coordination.Guard{coordination.Missing("a")}
	changes := append(put("a", "1"), put("b", "2")...)
	for range 2 {
		if _, err := m.Commit(ctx, guard, changes, "a"); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := m.Commit(ctx, nil, put("", "")); err == nil {
		t.Fatal("a commit without a key")
	}
	if _, err := m.Get(ctx, "a", "b", "c"); err != nil {
		t.Fatal(err)
	}
	if _, err := m.List(ctx, coordination.Range{}); err != nil {
		t.Fatal(err)
	}
	s := m.Snapshot()
	size := 2*coordination.CommitBytes(guard, changes, []string{"a"}) + coordination.CommitBytes(nil, put("", ""), nil)
	want := coordination.MeterSnapshot{
		Commit: coordination.Counts{Requests: 3, Errors: 1}, Get: coordination.Counts{Requests: 1}, List: coordination.Counts{Requests: 1},
		Refused: 1, Changes: 2, Items: 1 + 3 + 2, BytesOut: int64(size),
	}
	if s != want || len(observed) != 5 {
		t.Errorf("Snapshot = %+v, want %+v; observed %v", s, want, observed)
	}
}

func TestMeter_CountsWhatWatchesDeliver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := coordination.NewMeter(memory.New(memory.Settings{}), time.Now, nil)
		w := watch(t, m, "a")
		for _, changes := range [][]coordination.Change{append(put("a/1", ""), put("a/2", "")...), put("b", ""), put("a/3", "")} {
			if _, err := m.Commit(t.Context(), nil, changes); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			if changes[0].Key != "b" {
				<-w.Updates()
			}
		}
		synctest.Wait()
		if s := m.Snapshot(); s.Watch.Requests != 1 || s.Updates.Requests != 2 || s.Events != 3 {
			t.Errorf("Snapshot = %+v", s)
		}
	})
}
