package maintain_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/coretest"
	"github.com/firnlog/firnlog/core/maintain"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/objectstore"
)

// eager makes everything due at every visit, and small.
func eager(s *maintain.Settings) {
	s.SettleAge, s.SettleBytes, s.SweepEvery, s.SettledEvery, s.SweepGrace = time.Minute, 4<<10, time.Minute, time.Minute, 2*time.Minute
	s.BackupEvery, s.BackupKeepFor, s.BackupKeep, s.ScrubRate = 10*time.Minute, time.Minute, 2, 1<<10
}

// killer kills one visit at its n-th change of a kind.
type killer struct {
	sync.Mutex
	who, what string
	at, seen  int
	way       int
	stop      context.CancelFunc
}

// reached counts a request. From the one at which the visit dies on nothing arrives.
func (k *killer) reached(who, what string) (now, dead bool) {
	k.Lock()
	defer k.Unlock()
	if who != k.who || k.seen < k.at && what != k.what {
		return false, false
	}
	k.seen++
	if k.seen == k.at {
		k.stop()
	}
	return k.seen == k.at, k.seen > k.at
}

func (k *killer) kv(who string, op coordination.Op, key string) (d coordination.Decision) {
	if op != coordination.OpCommit {
		return d
	}
	switch now, dead := k.reached(who, "commit "+family(key)); {
	case now:
		d.Fail = [...]coordination.Failure{coordination.FailBefore, coordination.FailAfter}[k.way]
	case dead:
		d.Fail = coordination.FailBefore
	}
	return d
}

func (k *killer) store(who string, op objectstore.Op, key string) (d objectstore.Decision) {
	if !op.Changes() {
		return d
	}
	switch now, dead := k.reached(who, op.String()+" "+family(key)); {
	case now:
		d.Fail = [...]objectstore.Failure{objectstore.FailBefore, objectstore.FailAfter}[k.way]
	case dead:
		d.Fail = objectstore.FailBefore
	}
	return d
}

func family(key string) string {
	key = strings.TrimPrefix(key, "/firnlog/test/")
	for _, f := range []string{"settled/shared", "settled", "cold", "manifests", "segments", "journal", "backups/parts", "backups", "sweep", "log/heads", "log/commits", "leases"} {
		if strings.HasPrefix(key, f+"/") {
			return f
		}
	}
	return key
}

// points are the places where a visit changes something.
func points() []string {
	return []string{
		"commit leases", "commit log/stamp", "commit log/floor", "commit log/heads", "commit log/commits", "commit upkeep", "put journal", "put backups/parts", "put backups",
		"put settled/shared", "put settled", "put manifests", "put cold", "put sweep", "delete sweep", "delete segments", "delete settled/shared", "delete settled", "delete manifests", "delete backups",
	}
}

// A visit is killed at each of its changes, before it or after it; the next ones go on, and nothing is lost.
func TestVisit_KilledAtEachChangeTheNextGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.change = eager
		tps := []record.TopicPartition{{Topic: w.CreateTopic("a", 1, "firnlog.cold.after.ms", "60000", "firnlog.cold.storage.class", "GLACIER_IR")}, {Topic: w.CreateTopic("b", 1, "retention.ms", "1800000")}}
		k := &killer{}
		w.FaultKV(k.kv)
		w.FaultStore(k.store)
		n := 0
		step := func() {
			w.minute()
			for i, name := range []string{"a", "b"} {
				w.write(name, tps[i], fmt.Sprintf("%d %s", n, strings.Repeat("z", 1200)))
			}
			n++
		}
		killed := func(what string, at, way int) bool {
			step()
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			who := w.name("killed")
			k.Lock()
			k.who, k.what, k.at, k.seen, k.way, k.stop = who, what, at, 0, way, cancel
			k.Unlock()
			_, _ = w.maintainer(who).Visit(ctx)
			return k.seen >= at
		}
		for _, what := range points() {
			for way := range 2 {
				for try := 0; !killed(what, 1+way*(try%2), way); try++ {
					if try > 150 {
						t.Errorf("never at %q", what)
						break
					}
				}
			}
		}
		for range 30 {
			step()
			w.visit(time.Minute)
		}
		for i := range tps {
			if start := w.readsAll(tps[i]); start > 0 && i == 0 {
				t.Errorf("%d records are gone", start)
			}
		}
		w.clean()
		if keys, _ := w.keys(); keys > 60 {
			t.Errorf("%d keys are left in etcd", keys)
		}
	})
}

// Two visits at the same time: the second believes that nobody has the duty. Both do everything.
func TestVisit_TwoAtOnceLoseNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.change = eager
		tp := record.TopicPartition{Topic: w.CreateTopic("a", 1)}
		w.FaultStore(func(string, objectstore.Op, string) objectstore.Decision {
			return objectstore.Decision{Delay: 20 * time.Millisecond}
		})
		worked := 0
		for n := range 90 {
			w.minute()
			w.write("a", tp, fmt.Sprintf("%d %s", n, strings.Repeat("z", 600)))
			var both sync.WaitGroup
			for i := range 2 {
				w.Delete(w.Keys.Lease("upkeep"))
				name := w.name("m")
				both.Go(func() {
					r, err := w.try(name, time.Minute)
					if err != nil {
						t.Errorf("minute %d: %v", n, err)
					}
					if i == 1 && r.HeldBy == "" {
						worked++
					}
				})
				time.Sleep(time.Duration(n%7) * 13 * time.Millisecond)
			}
			both.Wait()
		}
		if worked < 60 {
			t.Errorf("the second was at work %d times only", worked)
		}
		if start := w.readsAll(tp); start != 0 {
			t.Errorf("%d records are gone", start)
		}
		w.clean()
	})
}

// Every request takes long, and there are three seconds: none is overrun, what keeps etcd small is done, and the rest comes to its turn.
func TestVisit_OfThreeSecondsIsNeverOverrun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		tp := record.TopicPartition{Topic: w.CreateTopic("a", 1)}
		for n := range 200 {
			w.write("a", tp, fmt.Sprintf("%d %s", n, strings.Repeat("z", 600)))
		}
		w.change = func(s *maintain.Settings) { eager(s); s.JournalEvery, s.BackupEvery = 0, 0 }
		slow := func(n int) time.Duration { return time.Duration(n%5) * 300 * time.Millisecond }
		n := 0
		w.FaultStore(func(who string, _ objectstore.Op, _ string) objectstore.Decision {
			if who[0] == 'm' {
				return objectstore.Decision{Delay: slow(n)}
			}
			return objectstore.Decision{}
		})
		tried, overdue := map[string]bool{}, 0
		for n = range 60 {
			w.minute()
			r := w.visit(3 * time.Second)
			for _, d := range r.Done {
				tried[d.Step] = true
			}
			overdue += len(r.Overdue)
		}
		for _, step := range []string{"checkpoint", "trim", "settle", "sweep", "sweep settled", "retain", "compact"} {
			if !tried[step] {
				t.Errorf("%q was never done", step)
			}
		}
		if overdue == 0 {
			t.Error("nothing was ever overdue: the store was not slow enough")
		}
		if keys, _ := w.keys(); keys > 15 {
			t.Errorf("%d keys are left in etcd", keys)
		}
		if start := w.readsAll(tp); start != 0 {
			t.Errorf("%d records are gone", start)
		}
		w.clean()
	})
}

// What a broker does is not done twice, and a visit that was killed holds nobody up for long.
func TestVisit_LeavesTheDutyToWhoHasIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		b := w.Instance("broker", coretest.Options{RunUpkeep: true}).Ready()
		time.Sleep(5 * time.Second)
		if r := w.visit(time.Minute); r.HeldBy != "broker" || len(r.Done) > 0 {
			t.Errorf("a broker has the duty, and the visit did %+v", r)
		}
		_ = b.Stop()
		time.Sleep(time.Minute)
		if r := w.visit(time.Minute); r.HeldBy != "" || len(r.Done) == 0 {
			t.Errorf("nobody has the duty, and the visit did %+v", r)
		}
	})
}
