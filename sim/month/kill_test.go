package month_test

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/objectstore"
)

var killsFlag = flag.Bool("kills", false, "kill at every step in every way; without it a slice")

// ways of a kill: before the request, after it but before its answer, with the request on its way until after the next run.
const ways = 3

// kill ends one instance at its n-th request that changes something. Nothing that it sends afterwards arrives.
type kill struct {
	who      string
	at, seen int
	way      int
	dead     bool
	where    string
	stop     context.CancelFunc
}

// reached counts a request; now is true at the one, dead after it.
func (k *kill) reached(what string) (now, dead bool) {
	if k.dead {
		return false, true
	}
	if k.seen++; k.seen != k.at {
		return false, false
	}
	k.dead, k.where = true, what
	k.stop()
	return true, true
}

func (k *kill) kv(who string, op coordination.Op, key string) (d coordination.Decision) {
	if who != k.who || op != coordination.OpCommit {
		return d
	}
	if now, dead := k.reached("commit " + familyOf(key)); now {
		d.Fail = [ways]coordination.Failure{coordination.FailBefore, coordination.FailAfter, coordination.FailLate}[k.way]
	} else if dead {
		d.Fail = coordination.FailBefore
	}
	return d
}

func (k *kill) store(who string, op objectstore.Op, key string) (d objectstore.Decision) {
	if who != k.who || !op.Changes() {
		return d
	}
	if now, dead := k.reached(op.String() + " " + familyOf(key)); now {
		d.Fail = [ways]objectstore.Failure{objectstore.FailBefore, objectstore.FailAfter, objectstore.FailLate}[k.way]
	} else if dead {
		d.Fail = objectstore.FailBefore
	}
	return d
}

// familyOf is the kind of a key in etcd or in the bucket.
func familyOf(key string) string {
	for _, family := range []string{"settled/shared", "settled", "cold", "manifests", "segments", "journal", "backups/parts", "backups", "heads", "commits", "transactions", "leases"} {
		if strings.HasPrefix(key, family+"/") || strings.Contains(key, "/"+family+"/") {
			return family
		}
	}
	return key[strings.LastIndexByte(key, '/')+1:] // stamp, floor
}

// points are the places where maintenance changes something. TestKill must have been at each of them.
func points() map[string][]string {
	return map[string][]string{
		"stamp": {"commit stamp"}, "floor": {"commit floor"}, "checkpoint": {"commit heads"}, "trim": {"commit commits"}, "journal": {"put journal"},
		"transactions":  {"commit transactions"},
		"expire":        {"commit commits"},
		"settle":        {"put settled/shared", "commit heads"},
		"merge":         {"put settled/shared", "commit heads"},
		"own":           {"put settled", "commit heads"},
		"spill":         {"put manifests", "commit heads"},
		"compact":       {"put settled", "put manifests", "commit heads"},
		"retain":        {"commit heads", "put manifests"},
		"chill":         {"put cold", "put manifests", "commit heads"},
		"backup":        {"put backups/parts", "put backups"},
		"sweep":         {"delete segments", "delete backups/parts"},
		"sweep settled": {"delete settled", "delete cold", "delete manifests"},
	}
}

// TestKill_AtEveryStepOfEveryJobNothingIsLost kills an instance at each request of each maintenance job that changes anything, in
// three ways. After each kill all references hold, another instance does the rest, what was on its way lands late, and all that was
// acknowledged is read at its offset. The history goes on from kill to kill, so that what a kill leaves is there for the next.
func TestKill_AtEveryStepOfEveryJobNothingIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, scale{seed: *seedFlag, topics: 8, batches: 8, round: 20 * time.Minute, bytes: 3 << 10, records: 4})
		w.Put(w.Keys.ProducersNext(), []byte("2000000000"))
		w.pass(map[bool]time.Duration{false: 4 * day, true: 11 * day}[*killsFlag], nil) // then something cold expires
		hit := map[string]int{}
		for round := 0; round == 0 || round < 4 && kills(hit) < killsMin; round++ { // what there is to do differs a little from run to run
			for n := range w.jobs(w.members[0]) {
				for way := range ways {
					for at := 1; w.killed(n, at, (round+way+at)%ways, hit); at++ {
					}
					if !*killsFlag {
						break // each step in one of the ways
					}
				}
			}
		}
		w.again(hit)
		w.check(patience{age: 30 * day, compact: 30 * day, size: 1 << 20})
		w.fsck()
		w.report(hit)
	})
}

// again goes where no kill has been: what a job has to do differs from time to time.
func (w *world) again(hit map[string]int) {
	w.t.Helper()
	for at := 1; *killsFlag && at <= 30; at++ {
		for n, j := range w.jobs(w.members[0]) {
			missing := false
			for name, all := range points() {
				settles := j.name == "settle" && slices.Contains([]string{"settle", "merge", "own", "spill"}, name)
				missing = missing || (name == j.name || settles) && slices.ContainsFunc(all, func(p string) bool { return hit[name+": "+p] == 0 })
			}
			if missing {
				w.killed(n, 1+(at-1)%15, at%ways, hit)
			}
		}
	}
}

// jobs are all of them in their order.
func (w *world) jobs(m *member) []job { return append(m.quick(), m.slow()...) }

// killed runs all jobs, and kills who does job n at its at-th change; false when the job ended before that.
func (w *world) killed(n, at, way int, hit map[string]int) bool {
	w.t.Helper()
	victim := w.members[1]
	j := w.jobs(victim)[n]
	w.prepare(j.name)
	for _, j := range w.jobs(w.members[0])[:n] {
		w.do(j.name, j.do)
	}
	if strings.HasPrefix(j.name, "sweep") { // what it has seen twice is deleted
		w.do(j.name, j.do)
		time.Sleep(11 * time.Minute)
	}
	w.observe()
	ctx, cancel := context.WithCancel(w.t.Context())
	defer cancel()
	k := &kill{who: victim.Name, at: at, way: way, stop: cancel}
	w.FaultKV(k.kv)
	w.FaultStore(k.store)
	victim.dead = func() bool { return k.dead }
	_ = j.do(ctx)
	w.replace(1)
	w.FaultKV(nil)
	w.FaultStore(nil)
	if k.dead {
		name := j.name
		if name == "settle" {
			name = victim.doing
		}
		hit[fmt.Sprintf("%s: %s", name, k.where)]++
	}
	w.fsck()
	w.recover(victim, way, n)
	if w.t.Failed() {
		w.t.Fatalf("killed at change %d of %s, %s, way %d", at, j.name, k.where, way)
	}
	return k.dead
}

// prepare lets two hours pass in which there is traffic and no maintenance, or more where that makes nothing due.
func (w *world) prepare(job string) {
	w.t.Helper()
	if job == "expire" {
		w.pass(26*time.Hour, nil)
	}
	for range 6 {
		time.Sleep(w.round)
		w.traffic()
		w.observe()
	}
	w.deleteRecords(w.slots[w.dice.IntN(len(w.slots))])
	if w.dice.IntN(4) == 0 {
		w.deleteTopic()
	}
}

// recover lets what was on its way land, before or after another instance has done the rest.
func (w *world) recover(victim *member, way, n int) {
	w.t.Helper()
	land := func() {
		for victim.Store.Late() > 0 {
			_, _ = victim.Store.Land(w.t.Context(), 0) // it may be there already
		}
		for victim.KV.Late() > 0 {
			if _, err := victim.KV.Land(w.t.Context(), 0); err != nil {
				w.t.Error(err)
			}
		}
	}
	early := w.dice.IntN(2) == 0
	if early {
		land()
	}
	w.observe()
	for _, j := range w.jobs(w.any())[n:] {
		w.do(j.name, j.do)
	}
	if !early {
		land()
	}
	w.fsck()
	w.do("journal", w.members[0].keeper.WriteJournal)
	w.compactHistory()
	w.Transcript()
}

// killsMin is how many kills show anything.
const killsMin = 40

func kills(hit map[string]int) (total int) {
	for _, n := range hit {
		total += n
	}
	return total
}

// report says where was killed, and complains about where was not.
func (w *world) report(hit map[string]int) {
	w.t.Helper()
	total := kills(hit)
	for _, where := range slices.Sorted(maps.Keys(hit)) {
		w.t.Logf("%4d × %s", hit[where], where)
	}
	w.t.Logf("%d kills; %+v", total, w.done)
	if total < killsMin {
		w.t.Errorf("%d kills: nothing is shown", total)
	}
	for name, all := range points() {
		if !*killsFlag {
			break // a slice needs not be everywhere
		}
		for _, point := range all {
			if hit[name+": "+point] == 0 {
				w.t.Errorf("never killed at %s: %s", name, point)
			}
		}
	}
}
