package memory

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/coordination/kvtest"
)

func TestConformance(t *testing.T) {
	kvtest.Run(t, func(*testing.T) coordination.KV { return New(Settings{}) })
}

func TestConformance_InABubbleWithFakeTime(t *testing.T) {
	for _, c := range kvtest.Cases() {
		t.Run(c.Name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { c.Run(t, New(Settings{})) })
		})
	}
}

func TestOnCommit_SeesEveryRevisionOnce(t *testing.T) {
	var seen []string
	kv := New(Settings{OnCommit: func(rev coordination.Revision, events []coordination.Event) {
		for _, e := range events {
			seen = append(seen, fmt.Sprintf("%d %s=%s", rev, e.Key, e.Value))
		}
	}})
	lease, err := kv.Grant(t.Context(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	for _, changes := range [][]coordination.Change{
		{coordination.PutKey("b", []byte("1")), coordination.PutLeased("a", []byte("2"), lease.ID())},
		{coordination.DeleteKey("none")},
		{coordination.DeleteKey("b")},
	} {
		if _, err := kv.Commit(t.Context(), nil, changes); err != nil {
			t.Fatal(err)
		}
	}
	if err := lease.Revoke(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got, want := fmt.Sprint(seen), "[2 b=1 2 a=2 3 b= 4 a=]"; got != want {
		t.Errorf("OnCommit saw %s, want %s", got, want)
	}
}

func TestLease_EndsByTheClockThatWasGiven(t *testing.T) {
	now := time.Unix(0, 0)
	timers := 0
	var revisions []coordination.Revision
	kv := New(Settings{
		Now:       func() time.Time { return now },
		AfterFunc: func(time.Duration, func()) { timers++ },
		OnCommit:  func(rev coordination.Revision, _ []coordination.Event) { revisions = append(revisions, rev) },
	})
	var leases []coordination.Lease
	for i := range 3 {
		l, err := kv.Grant(t.Context(), 10*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		leases = append(leases, l)
		if _, err := kv.Commit(t.Context(), nil, []coordination.Change{coordination.PutLeased(fmt.Sprint(2-i), nil, l.ID())}); err != nil {
			t.Fatal(err)
		}
	}
	now = now.Add(10*time.Second - 1)
	if err := leases[1].Renew(t.Context()); err != nil {
		t.Errorf("Renew just in time: %v", err)
	}
	now = now.Add(1)
	// The timer never fired: the next call finds the leases over, in the order of their ids.
	page, err := kv.List(t.Context(), coordination.Range{})
	if err != nil || len(page.Items) != 1 || page.Items[0].Key != "1" {
		t.Errorf("List = %+v, %v; want the key of the renewed lease", page, err)
	}
	if len(revisions) != 5 || timers == 0 {
		t.Errorf("revisions %v, %d timers; want each lease to end in a revision of its own", revisions, timers)
	}
	if err := leases[0].Renew(t.Context()); !errors.Is(err, coordination.ErrLeaseGone) {
		t.Errorf("Renew of an ended lease: %v", err)
	}
	now = now.Add(10*time.Second - 1)
	if snap, err := kv.Get(t.Context(), "1"); err != nil || snap.Items[0].Value != nil {
		t.Errorf("Get = %+v, %v; want the renewed lease over by now", snap, err)
	}
}

func TestLease_AShorterOneGrantedLaterEndsFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kv := New(Settings{})
		begin := time.Now()
		w, err := kv.Watch(t.Context(), "", 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, ttl := range []time.Duration{time.Minute, time.Second, 30 * time.Second, 1500 * time.Millisecond} {
			l, err := kv.Grant(t.Context(), ttl)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := kv.Commit(t.Context(), nil, []coordination.Change{coordination.PutLeased(ttl.String(), nil, l.ID())}); err != nil {
				t.Fatal(err)
			}
		}
		var ends []string
		for len(ends) < 4 {
			for _, e := range (<-w.Updates()).Events {
				if e.IsDelete() {
					ends = append(ends, fmt.Sprintf("%s at %v", e.Key, time.Since(begin)))
				}
			}
		}
		if got, want := fmt.Sprint(ends), "[1s at 1s 1.5s at 2s 30s at 30s 1m0s at 1m0s]"; got != want {
			t.Errorf("leases end %s, want %s", got, want)
		}
	})
}

func TestWatch_OneThatLagsBehindACompactionEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kv := New(Settings{})
		put := func(key string) coordination.Revision {
			res, err := kv.Commit(t.Context(), nil, []coordination.Change{coordination.PutKey(key, nil)})
			if err != nil {
				t.Fatal(err)
			}
			return res.Revision
		}
		lagging, err := kv.Watch(t.Context(), "a", 0)
		if err != nil {
			t.Fatal(err)
		}
		idle, err := kv.Watch(t.Context(), "idle", 0)
		if err != nil {
			t.Fatal(err)
		}
		put("a")
		synctest.Wait() // the first update is on its way
		put("a")
		if err := kv.Compact(t.Context(), put("b")); err != nil {
			t.Fatal(err)
		}
		// The second compaction finds nothing of the watch's that was not compacted before.
		if err := kv.Compact(t.Context(), put("b")); err != nil {
			t.Fatal(err)
		}
		if u := <-lagging.Updates(); len(u.Events) != 1 {
			t.Errorf("update %+v, want the first event", u)
		}
		if u := <-lagging.Updates(); !errors.Is(u.Err, coordination.ErrCompacted) {
			t.Errorf("update %+v, want ErrCompacted", u)
		}
		put("idle")
		if u := <-idle.Updates(); len(u.Events) != 1 {
			t.Errorf("update %+v: a watch that had nothing to deliver is not behind", u)
		}
	})
}

func BenchmarkCommit(b *testing.B) {
	kv := New(Settings{})
	value := make([]byte, 200)
	b.ReportAllocs()
	for i := range b.N {
		key := fmt.Sprintf("log/commits/%026d", i)
		res, err := kv.Commit(b.Context(), []coordination.Guard{coordination.Missing(key)}, []coordination.Change{coordination.PutKey(key, value)})
		if err != nil {
			b.Fatal(err)
		}
		if i%1000 == 999 {
			if _, err := kv.Commit(b.Context(), nil, []coordination.Change{coordination.DeletePrefix("log/commits/")}); err != nil {
				b.Fatal(err)
			}
			if err := kv.Compact(b.Context(), res.Revision); err != nil {
				b.Fatal(err)
			}
		}
	}
}
