package stream_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/coordination/memory"
	"github.com/firnlog/firnlog/core/coretest"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/stream"
)

// same fails the test unless both have the same state of a partition.
func same(t *testing.T, a, b *coretest.Instance, tp record.TopicPartition) {
	t.Helper()
	a.Barrier()
	b.Barrier()
	digest := func(in *coretest.Instance) (d uint64, next record.Offset) {
		in.View(func(l *ledger.Ledger) { d, next = l.Partition(tp).Digest(), l.Partition(tp).Next() })
		return d, next
	}
	da, na := digest(a)
	if db, nb := digest(b); da != db {
		t.Errorf("%s is at offset %d, %s at %d", a.Name, na, b.Name, nb)
	}
}

// onList runs do at the n-th page that who reads.
func onList(c *coretest.Cluster, who string, n int64, do func()) {
	var lists atomic.Int64
	c.FaultKV(func(name string, op coordination.Op, key string) coordination.Decision {
		if name == who && op == coordination.OpList && key == c.Keys.Log() && lists.Add(1) == n {
			do()
		}
		return coordination.Decision{}
	})
}

func TestBootstrap_ReadsAllPagesAtOneRevision(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := coretest.NewCluster(t)
		tp := record.TopicPartition{Topic: c.CreateTopic("t", 1)}
		a := c.Instance("a", coretest.Options{}).Ready()
		for range 5 {
			a.MustProduce(coretest.Plain(tp, "x"))
		}
		onList(c, "b", 7, func() { a.MustProduce(coretest.Plain(tp, "while it reads")) }) // behind the last commit in key order
		b := c.Instance("b", coretest.Options{PageMax: 1}).Ready()
		same(t, a, b, tp)
	})
}

func TestBootstrap_CompactedWhileItReadsBeginsAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := coretest.NewCluster(t)
		tp := record.TopicPartition{Topic: c.CreateTopic("t", 1)}
		a := c.Instance("a", coretest.Options{}).Ready()
		a.MustProduce(coretest.Plain(tp, "x"))
		onList(c, "b", 2, func() {
			a.MustProduce(coretest.Plain(tp, "y"))
			if err := c.Etcd.Compact(t.Context(), c.Put(c.Keys.Lease("other"), []byte("x"))); err != nil {
				t.Error(err)
			}
		})
		b := c.Instance("b", coretest.Options{PageMax: 1}).Ready()
		same(t, a, b, tp)
	})
}

// cutOff lets an instance's watches fail until the returned function is called.
func cutOff(c *coretest.Cluster, in *coretest.Instance) (heal func()) {
	c.FaultKV(func(who string, op coordination.Op, _ string) coordination.Decision {
		if who == in.Name && (op == coordination.OpWatch || op == coordination.OpUpdate) {
			return coordination.Decision{Fail: coordination.FailBefore}
		}
		return coordination.Decision{}
	})
	in.KV.BreakWatches()
	return func() { c.FaultKV(nil) }
}

func TestWatch_CompactedWhileItWasAwayBootstrapsAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := coretest.NewCluster(t)
		tp := record.TopicPartition{Topic: c.CreateTopic("t", 1)}
		a, b := c.Instance("a", coretest.Options{}).Ready(), c.Instance("b", coretest.Options{}).Ready()
		synctest.Wait() // its watch is open
		heal := cutOff(c, b)
		for range 3 {
			a.MustProduce(coretest.Plain(tp, "x"))
		}
		if err := c.Etcd.Compact(t.Context(), c.Put(c.Keys.Lease("other"), []byte("x"))); err != nil {
			t.Fatal(err)
		}
		heal()
		same(t, a, b, tp)
	})
}

func TestWatch_BrokenIsOpenedWhereItWasWithoutReadingAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := coretest.NewCluster(t)
		tp := record.TopicPartition{Topic: c.CreateTopic("t", 1)}
		a, b := c.Instance("a", coretest.Options{}).Ready(), c.Instance("b", coretest.Options{}).Ready()
		synctest.Wait() // its watch is open
		heal := cutOff(c, b)
		a.MustProduce(coretest.Plain(tp, "x"))
		c.Transcript()
		heal()
		same(t, a, b, tp)
		if n := count(c.Transcript(), "b kv list"); n != 0 {
			t.Errorf("%d pages read, want none", n)
		}
	})
}

// silence holds back the updates of an instance's newest watch for ever; a watch opened later is well.
func silence(c *coretest.Cluster, in *coretest.Instance) {
	var opened atomic.Bool
	c.FaultKV(func(who string, op coordination.Op, _ string) coordination.Decision {
		switch {
		case who == in.Name && op == coordination.OpWatch:
			opened.Store(true)
		case who == in.Name && op == coordination.OpUpdate && !opened.Load():
			return coordination.Decision{Delay: 1000 * time.Hour}
		}
		return coordination.Decision{}
	})
}

func TestWatch_SilentAfterAConfirmedCommitIsOpenedAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := coretest.NewCluster(t)
		tp := record.TopicPartition{Topic: c.CreateTopic("t", 1)}
		a := c.Instance("a", coretest.Options{}).Ready()
		synctest.Wait() // its watch is open
		silence(c, a)
		time.Sleep(time.Second) // it is the watch that must have been silent, not its birth
		start := time.Now()
		a.MustProduce(coretest.Plain(tp, "x"))
		if took := time.Since(start); took < 250*time.Millisecond || took > time.Second {
			t.Errorf("acknowledged after %v, want soon after 250 ms of silence", took)
		}
	})
}

// A watch that is slow but alive is not opened anew for each who waits: it would never deliver.
func TestWatch_ThatLagsButDeliversIsLeftOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := coretest.NewCluster(t)
		tp := record.TopicPartition{Topic: c.CreateTopic("t", 1)}
		a := c.Instance("a", coretest.Options{Linger: time.Millisecond}).Ready()
		synctest.Wait() // its watch is open
		var news atomic.Int64
		c.FaultKV(func(_ string, op coordination.Op, _ string) coordination.Decision {
			if op == coordination.OpUpdate {
				news.Add(1)
				return coordination.Decision{Delay: 200 * time.Millisecond}
			}
			return coordination.Decision{}
		})
		c.Transcript()
		done := make(chan struct{})
		for range 40 {
			go func() {
				a.MustProduce(coretest.Plain(tp, "x"))
				done <- struct{}{}
			}()
			time.Sleep(20 * time.Millisecond)
		}
		for range 40 {
			<-done
		}
		if n := count(c.Transcript(), "a kv watch"); n > 1 {
			t.Errorf("the watch was opened %d times anew, in %d updates", n, news.Load())
		}
	})
}

func TestRun_ANewEraDropsAllState(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := coretest.NewCluster(t)
		tp := record.TopicPartition{Topic: c.CreateTopic("t", 1)}
		a := c.Instance("a", coretest.Options{}).Ready()
		a.MustProduce(coretest.Plain(tp, "x"))
		for _, it := range c.Items(c.Keys.Commits()) {
			c.Delete(it.Key)
		}
		c.Put(c.Keys.Format(), ledger.Format{Version: ledger.FormatVersion, Era: "restored"}.Encode())
		time.Sleep(time.Second)
		a.Barrier()
		if got := a.Stream.ClusterID(); got != "restored" {
			t.Errorf("era %q", got)
		}
		a.View(func(l *ledger.Ledger) {
			if next := l.Partition(tp).Next(); next != 0 {
				t.Errorf("next offset %d survived the restore", next)
			}
		})
	})
}

// exchanged is a KV behind which etcd was rebuilt.
type exchanged struct {
	coordination.KV
	now atomic.Pointer[memory.KV]
}

func (x *exchanged) Get(ctx context.Context, keys ...string) (coordination.Snapshot, error) {
	return x.now.Load().Get(ctx, keys...)
}
func (x *exchanged) List(ctx context.Context, r coordination.Range) (coordination.Page, error) {
	return x.now.Load().List(ctx, r)
}
func (x *exchanged) Watch(ctx context.Context, prefix string, from coordination.Revision) (coordination.Watcher, error) {
	return x.now.Load().Watch(ctx, prefix, from)
}

func TestRun_AnotherEtcdIsNoticedWhicheverWayItsRevisionsLie(t *testing.T) {
	for name, revisions := range map[string]int{"behind": 0, "ahead": 100} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := coretest.NewCluster(t)
				for range 20 {
					c.Put(c.Keys.Lease("other"), []byte("x"))
				}
				x := &exchanged{KV: c.Etcd}
				x.now.Store(c.Etcd)
				s := stream.New(stream.Settings{KV: x, Keys: c.Keys, Now: time.Now, Entropy: rand.NewChaCha8([32]byte{}), Log: coretest.Quiet()})
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				if _, err := c.Etcd.Commit(ctx, nil, []coordination.Change{coordination.PutKey(c.Keys.Format(), ledger.Format{Version: 1, Era: "old"}.Encode()),
					coordination.PutKey(c.Keys.Floor(), coordination.Mark(1).Bytes()), coordination.PutKey(c.Keys.Stamp(), coordination.Mark(2).Bytes())}); err != nil {
					t.Fatal(err)
				}
				go s.Run(ctx)
				if err := s.WaitRevision(ctx, 22); err != nil || s.ClusterID() != "old" {
					t.Fatalf("%v, era %q", err, s.ClusterID())
				}
				rebuilt := memory.New(memory.Settings{})
				guards, changes := ledger.Creation(c.Keys, ledger.Format{Version: 1, Era: "new"}, 5)
				if _, err := rebuilt.Commit(ctx, guards, changes); err != nil {
					t.Fatal(err)
				}
				for range revisions {
					if _, err := rebuilt.Commit(ctx, nil, []coordination.Change{coordination.PutKey("x", []byte("x"))}); err != nil {
						t.Fatal(err)
					}
				}
				time.Sleep(time.Second)
				x.now.Store(rebuilt)
				if err := s.Barrier(ctx); !errors.Is(err, stream.ErrNotReady) {
					t.Errorf("the first barrier: %v, want ErrNotReady: what it knows is void", err)
				}
				time.Sleep(time.Second)
				if err := s.Barrier(ctx); err != nil || s.ClusterID() != "new" {
					t.Errorf("a second later: %v, era %q", err, s.ClusterID())
				}
			})
		})
	}
}

func TestRun_AnUnknownVersionStopsServing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := coretest.NewCluster(t)
		tp := record.TopicPartition{Topic: c.CreateTopic("t", 1)}
		a := c.Instance("a", coretest.Options{}).Ready()
		id, err := a.Stream.NewID()
		if err != nil {
			t.Fatal(err)
		}
		c.Put(c.Keys.Commit(id), []byte{2, 0, 0})
		synctest.Wait()
		if err := a.Stream.Ready(); !errors.Is(err, ledger.ErrFormat) {
			t.Errorf("ready: %v, want ErrFormat", err)
		}
		if out := a.Produce(coretest.Plain(tp, "x"))[0]; out.Err == nil {
			t.Error("a batch was accepted by an instance that does not know the format")
		}
		if err := a.Stop(); !errors.Is(err, ledger.ErrFormat) {
			t.Errorf("Run: %v, want ErrFormat", err)
		}
	})
}

func TestNewID_TakesItsTimeBetweenTheStampAndTenMinutesAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := coretest.NewCluster(t)
		a := c.Instance("a", coretest.Options{}).Ready()
		c.Put(c.Keys.Stamp(), coordination.Mark(time.Now().UnixMilli()).Bytes())
		a.Barrier()
		for skew, want := range map[time.Duration]time.Duration{0: 0, time.Minute: time.Minute, -time.Hour: 0, time.Hour: 10 * time.Minute} {
			a.Skew(skew)
			id, err := a.Stream.NewID()
			if err != nil {
				t.Fatal(err)
			}
			if got := time.Until(time.UnixMilli(int64(id.Time()))).Round(time.Second); got != want {
				t.Errorf("clock wrong by %v: id %v from now, want %v", skew, got, want)
			}
		}
	})
}

func TestSubscribe_WakesForItsPartitionsAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := coretest.NewCluster(t)
		topic := c.CreateTopic("t", 2)
		mine, other := record.TopicPartition{Topic: topic}, record.TopicPartition{Topic: topic, Partition: 1}
		a, b := c.Instance("a", coretest.Options{}).Ready(), c.Instance("b", coretest.Options{}).Ready()
		synctest.Wait() // its watch is open
		reader := a.Stream.Subscribe([]record.TopicPartition{mine})
		defer reader.Close()
		woken := func() bool {
			synctest.Wait()
			select {
			case <-reader.News():
				return true
			default:
				return false
			}
		}
		b.MustProduce(coretest.Plain(other, "x"))
		if woken() {
			t.Error("woken by another partition")
		}
		b.MustProduce(coretest.Plain(mine, "x"))
		if !woken() {
			t.Error("not woken by its own partition")
		}
		c.DeleteTopic("t", topic)
		if !woken() {
			t.Error("not woken when the topic went")
		}
	})
}
