package quota

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/coordination/memory"
)

func cluster(t testing.TB) (coordination.KV, coordination.Keys) {
	t.Helper()
	kv, keys := memory.New(memory.Settings{}), coordination.NewKeys("c")
	if _, err := kv.Commit(context.Background(), nil, []coordination.Change{coordination.PutKey(keys.Format(), []byte("f"))}); err != nil {
		t.Fatal(err)
	}
	return kv, keys
}

// live is a view that follows etcd until the test ends.
func live(t testing.TB, kv coordination.KV, keys coordination.Keys, change ...func(*Settings)) *Quotas {
	t.Helper()
	s := Settings{KV: kv, Keys: keys, Now: time.Now, Log: slog.New(slog.DiscardHandler)}
	for _, f := range change {
		f(&s)
	}
	q := New(s)
	ctx, cancel := context.WithCancel(context.Background())
	ran := make(chan struct{})
	go func() { defer close(ran); _ = q.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-ran })
	<-q.Loaded()
	return q
}

func set(t testing.TB, q *Quotas, e Entity, key string, v float64) {
	t.Helper()
	if err := q.Alter(context.Background(), e, []Op{{Key: key, Value: v}}, false); err != nil {
		t.Fatal(err)
	}
}

// naive finds a limit by the text of Kafka's order, one place after the other.
func naive(all map[string]float64, user, client string) float64 {
	for _, place := range []string{"u=" + user + ",c=" + client, "u=" + user + ",c=*", "u=" + user, "u=*,c=" + client, "u=*,c=*", "u=*", "c=" + client, "c=*"} {
		if v, ok := all[place]; ok {
			return v
		}
	}
	return 0
}

func TestLimits_TheOrderIsKafkas(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		side := rapid.SampledFrom([]string{"", "*", "a", "b"})
		texts, quotas := map[string]float64{}, map[string]Quota{}
		for n := range rapid.IntRange(0, 12).Draw(t, "quotas") {
			var e Entity
			var text []string
			for _, one := range []struct {
				letter string
				part   *Part
			}{{"u", &e.User}, {"c", &e.Client}} {
				switch name := side.Draw(t, one.letter); name {
				case "":
					continue
				case "*":
					*one.part = Any()
					text = append(text, one.letter+"=*")
				default:
					*one.part = Named(name)
					text = append(text, one.letter+"="+name)
				}
			}
			if e == (Entity{}) {
				continue
			}
			texts[strings.Join(text, ",")] = float64(n + 1)
			quotas[e.id()] = Quota{e, map[string]float64{ProducerByteRate: float64(n + 1)}}
		}
		var q Quotas
		q.limits.Store(newLimits(quotas))
		for _, user := range []string{"a", "b", "z"} {
			for _, client := range []string{"a", "b", "z", ""} {
				if got, want := q.Limit(Produce, user, client), naive(texts, user, client); got != want {
					t.Fatalf("%s with client id %s: %v, want %v, of %v", user, client, got, want, texts)
				}
			}
		}
	})
}

func TestTake_WhoUsesMoreWaitsForItAndWhoSharesWaitsToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kv, keys := cluster(t)
		q := live(t, kv, keys)
		if q.On() || q.Take(Produce, "alice", "x", 1e12) != 0 {
			t.Error("limited without a quota")
		}
		set(t, q, Entity{User: Named("alice")}, ProducerByteRate, 1000)
		if wait := q.Take(Produce, "alice", "one", 1000); wait != 0 {
			t.Errorf("a second's worth waits %v", wait)
		}
		if wait := q.Take(Produce, "alice", "two", 3000); wait != 3*time.Second {
			t.Errorf("another client id of the same user waits %v, want 3s", wait)
		}
		if q.Take(Produce, "bob", "one", 1e9) != 0 || q.Take(Fetch, "alice", "one", 1e9) != 0 {
			t.Error("others wait, or other kinds do")
		}
		time.Sleep(2 * time.Second)
		if wait := q.Take(Produce, "alice", "one", 0); wait != time.Second {
			t.Errorf("after 2 s, %v are left, want 1s", wait)
		}
		set(t, q, Entity{Client: Any()}, RequestPercentage, 10)
		if a, b := q.Spent("carol", "one", 2*time.Second), q.Spent("carol", "two", 100*time.Millisecond); a != requestWaitMost || b != 0 {
			t.Errorf("time: %v and %v, want what is longest, and nothing", a, b)
		}
		set(t, q, Entity{IP: Any()}, ConnectionRate, 2)
		var waits []time.Duration
		for range 3 {
			waits = append(waits, q.Connect("10.0.0.1"))
		}
		if waits[0] != 0 || waits[1] != 0 || waits[2] != 500*time.Millisecond || q.Connect("10.0.0.2") != 0 {
			t.Errorf("connections wait %v", waits)
		}
	})
}

func TestBuckets_NamesThatAreMadeUpTakeNoMoreMemoryAndGetNoMore(t *testing.T) {
	kv, keys := cluster(t)
	now := time.Unix(1000, 0)
	q := live(t, kv, keys, func(s *Settings) { s.TrackedMax, s.Now = 10, func() time.Time { return now } })
	set(t, q, Entity{Client: Any()}, ProducerByteRate, 100)
	for n := range 1000 {
		q.Take(Produce, "u", fmt.Sprint("client ", n, strings.Repeat("x", 10_000)), 100.0+1)
	}
	if n := len(q.buckets.mu.all); n > 11 {
		t.Errorf("%d buckets, want 10 and the shared one", n)
	}
	if wait := q.Take(Produce, "u", "another", 0); wait < 9*time.Second {
		t.Errorf("one more new name waits %v: want it to share what the others owe", wait)
	}
	now = now.Add(time.Hour)
	if wait := q.Take(Produce, "u", "much later", 100); wait != 0 || len(q.buckets.mu.all) > 2 {
		t.Errorf("%v, %d buckets: want the full ones to be gone", wait, len(q.buckets.mu.all))
	}
	for key := range q.buckets.mu.all {
		if len(key.who.client.name) > scopeNameMax {
			t.Error("long names are kept")
		}
	}
}

func TestAlter_WhatIsNoQuotaIsRefusedAndChangesNothing(t *testing.T) {
	kv, keys := cluster(t)
	q := live(t, kv, keys)
	user, ip := Entity{User: Named("a")}, Entity{IP: Named("10.0.0.1")}
	for _, bad := range []struct {
		e  Entity
		op Op
	}{
		{Entity{}, Op{Key: ProducerByteRate, Value: 1}},
		{Entity{User: Any(), IP: Any()}, Op{Key: ConnectionRate, Value: 1}},
		{Entity{IP: Named("nowhere")}, Op{Key: ConnectionRate, Value: 1}},
		{Entity{User: Named("")}, Op{Key: ProducerByteRate, Value: 1}},
		{user, Op{Key: ConnectionRate, Value: 1}},
		{ip, Op{Key: ProducerByteRate, Value: 1}},
		{user, Op{Key: "bytes", Remove: true}},
		{user, Op{Key: ProducerByteRate, Value: 0}},
		{user, Op{Key: ProducerByteRate, Value: 1.5}},
		{user, Op{Key: RequestPercentage, Value: math.NaN()}},
	} {
		if err := q.Alter(t.Context(), bad.e, []Op{{Key: RequestPercentage, Value: 1}, bad.op}, false); !errors.Is(err, ErrInvalid) {
			t.Errorf("%+v: %v", bad, err)
		}
	}
	if err := q.Alter(t.Context(), user, []Op{{Key: RequestPercentage, Value: 0.5}}, true); err != nil || q.On() {
		t.Errorf("only asked whether it may be: %v", err)
	}
	if err := q.Alter(t.Context(), user, []Op{{Key: ProducerByteRate, Remove: true}}, false); err != nil {
		t.Errorf("what is not there is removed: %v", err)
	}
	if left, err := q.List(t.Context(), Filter{}); err != nil || len(left) != 0 {
		t.Errorf("%v, %v", left, err)
	}
}

func TestAlter_LimitsAreKeptListedAndRemovedAndCountElsewhere(t *testing.T) {
	kv, keys := cluster(t)
	here, elsewhere := live(t, kv, keys), live(t, kv, keys, func(s *Settings) { s.Max = 2 })
	both := Entity{User: Named("a"), Client: Any()}
	set(t, here, both, ProducerByteRate, 5)
	set(t, here, both, ConsumerByteRate, 6)
	set(t, here, Entity{User: Any()}, RequestPercentage, 7.5)
	for end := time.Now().Add(20 * time.Second); elsewhere.Limit(Fetch, "a", "c") != 6 || elsewhere.Limit(Request, "b", "") != 7.5; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("not known elsewhere")
		}
	}
	if err := elsewhere.Alter(t.Context(), Entity{User: Named("x")}, []Op{{Key: ProducerByteRate, Value: 1}}, false); !errors.Is(err, ErrTooMany) {
		t.Errorf("no room: %v", err)
	}
	name := "a"
	for i, want := range []struct {
		f Filter
		n int
	}{
		{Filter{}, 2},
		{Filter{Strict: true}, 0},
		{Filter{Components: []Component{{TypeUser, MatchGiven, nil}}}, 2},
		{Filter{Components: []Component{{TypeUser, MatchGiven, nil}}, Strict: true}, 1},
		{Filter{Components: []Component{{TypeUser, MatchDefault, nil}}}, 1},
		{Filter{Components: []Component{{TypeUser, MatchExact, &name}, {TypeClient, MatchDefault, nil}}, Strict: true}, 1},
		{Filter{Components: []Component{{TypeClient, MatchExact, &name}}}, 0},
		{Filter{Components: []Component{{TypeIP, MatchGiven, nil}}}, 0},
	} {
		if got, err := elsewhere.List(t.Context(), want.f); err != nil || len(got) != want.n {
			t.Errorf("filter %d: %v, %v, want %d", i, got, err, want.n)
		}
	}
	if err := here.Alter(t.Context(), both, []Op{{Key: ProducerByteRate, Remove: true}, {Key: ConsumerByteRate, Remove: true}}, false); err != nil {
		t.Fatal(err)
	}
	if snap, err := kv.Get(t.Context(), keys.Quota(both.id())); err != nil || snap.Items[0].Create != 0 {
		t.Errorf("the key is left: %v", err)
	}
}

func BenchmarkTake(b *testing.B) {
	kv, keys := cluster(b)
	q := live(b, kv, keys)
	b.Run("no quotas", func(b *testing.B) {
		for b.Loop() {
			q.Take(Produce, "alice", "app", 1000)
		}
	})
	set(b, q, Entity{User: Any(), Client: Any()}, ProducerByteRate, 1e15)
	set(b, q, Entity{User: Named("bob")}, ProducerByteRate, 1e15)
	b.Run("limited", func(b *testing.B) {
		for b.Loop() {
			q.Take(Produce, "alice", "app", 1000)
		}
	})
}
