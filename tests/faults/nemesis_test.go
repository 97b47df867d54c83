//go:build stack

package faults

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/firnlog/firnlog/tests/stack/harness"
)

// How long faults last. A broker's lease is 5 s, etcd's election a second.
const (
	deadFor   = 2 * time.Second
	pausedFor = 8 * time.Second // longer than leases
	cutFor    = 7 * time.Second // longer than leases
	slowFor   = 6 * time.Second
)

func (s *stage) some(r *rand.Rand) *node { return s.brokers[r.IntN(brokers)] }

// lasts is the fault's own time.
func lasts(d time.Duration) { time.Sleep(d) }

func killBroker(s *stage, r *rand.Rand) func() {
	b := s.some(r)
	b.Kill()
	lasts(deadFor)
	return func() { b.Start() }
}

func killBrokers(s *stage, _ *rand.Rand) func() {
	for _, b := range s.brokers {
		b.Kill()
	}
	lasts(deadFor)
	return func() {
		for _, b := range s.brokers {
			b.Start()
		}
	}
}

func pauseBroker(s *stage, r *rand.Rand) func() {
	b := s.some(r)
	b.Pause()
	lasts(pausedFor)
	return b.Continue
}

func killLeader(s *stage, _ *rand.Rand) func() {
	m := s.leader()
	m.Kill()
	lasts(deadFor)
	return m.Start
}

func pauseLeader(s *stage, _ *rand.Rand) func() {
	m := s.leader()
	m.Pause()
	lasts(pausedFor)
	return m.Continue
}

func killEtcd(s *stage, _ *rand.Rand) func() {
	for _, m := range s.etcd {
		m.Kill()
	}
	lasts(deadFor)
	return func() {
		for _, m := range s.etcd {
			m.Start()
		}
	}
}

func killMinIO(s *stage, _ *rand.Rand) func() {
	s.minio.Kill()
	lasts(deadFor)
	return func() { s.minio.Restart(s.t) }
}

// break1 does something to the links of one broker for a while.
func break1(etcd bool, last time.Duration, do func(*link)) func(*stage, *rand.Rand) func() {
	return func(s *stage, r *rand.Rand) func() {
		links := s.some(r).links(etcd)
		for _, l := range links {
			do(l)
		}
		lasts(last)
		return func() {
			for _, l := range links {
				l.heal()
			}
		}
	}
}

// nemesis counts episodes and the time after each until everybody got on.
type nemesis struct {
	*stage
	*crowd
	list     []fault // of which pairs are drawn
	episodes []episode
	loads    []float64 // of the machine, after each episode, in their order
}

// getsOnMax is longer than a group of KIP-848 waits for members that were killed (45 s), and for a processor on a busy machine.
const getsOnMax = 4 * time.Minute

// episode is one fault. It is over when all brokers serve, and each client has done something that it began after its end.
func (n *nemesis) episode(t testing.TB, f fault, r *rand.Rand) {
	t.Helper()
	e := episode{Fault: f.name, Recovery: map[string]float64{}}
	striking := f.striking(r, n.list)
	if len(striking) > 1 {
		for _, part := range striking {
			e.Of = append(e.Of, part.name)
		}
	}
	heal := strikeAll(n.stage, r, striking)
	healed := n.Now()
	heal()
	harness.Await(t, getsOnMax, "brokers serve after "+f.name, n.serves)
	took := n.awaitGetsOn(t, healed)
	for library, d := range took {
		e.Recovery[library] = d.Seconds()
	}
	n.episodes = append(n.episodes, e)
	n.loads = append(n.loads, load(t))
	slices.Sort(n.loads)
	t.Logf("%v: %s: everybody gets on after %v", n.Now().Round(time.Second), strings.Join(append([]string{f.name}, e.Of...), ": "), took)
}

// load of the machine in the last minute.
func load(t testing.TB) (l float64) {
	t.Helper()
	text, err := os.ReadFile("/proc/loadavg")
	if err == nil {
		_, err = fmt.Sscan(string(text), &l)
	}
	if err != nil {
		t.Fatal(err)
	}
	return l
}
