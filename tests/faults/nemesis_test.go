//go:build stack

package faults

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/firnlog/firnlog/tests/stack/harness"
)

// fault is one kind of episode: strike breaks something, and gives what ends it. Both may wait.
type fault struct {
	name   string
	strike func(s *stage, r *rand.Rand) (heal func())
}

// How long faults last. A broker's lease is 5 s, etcd's election a second.
const (
	deadFor   = 2 * time.Second
	pausedFor = 8 * time.Second // longer than leases
	cutFor    = 7 * time.Second // longer than leases
	slowFor   = 6 * time.Second
)

// faults in the order in which the first round takes them.
func faults() []fault {
	return []fault{
		{"kill -9 of a broker", killBroker},
		{"SIGSTOP of a broker for 8 s", pauseBroker},
		{"kill -9 of etcd's leader", killLeader},
		{"broker cut off from etcd for 7 s", func(s *stage, r *rand.Rand) func() { return s.break1(r, true, cutFor, (*link).cut) }},
		{"kill -9 of MinIO", killMinIO},
		{"broker to etcd: packets dropped for 7 s", func(s *stage, r *rand.Rand) func() { return s.break1(r, true, cutFor, (*link).hold) }},
		{"broker cut off from MinIO for 7 s", func(s *stage, r *rand.Rand) func() { return s.break1(r, false, cutFor, (*link).cut) }},
		{"broker to MinIO: packets dropped for 7 s", func(s *stage, r *rand.Rand) func() { return s.break1(r, false, cutFor, (*link).hold) }},
		{"broker to etcd: 150 ms slower for 6 s", func(s *stage, r *rand.Rand) func() {
			return s.break1(r, true, slowFor, func(l *link) { l.slow(150 * time.Millisecond) })
		}},
		{"broker to MinIO: 400 ms slower for 6 s", func(s *stage, r *rand.Rand) func() {
			return s.break1(r, false, slowFor, func(l *link) { l.slow(400 * time.Millisecond) })
		}},
		{"SIGSTOP of etcd's leader for 8 s", pauseLeader},
		{"kill -9 of all brokers", killBrokers},
		{"kill -9 of all of etcd", killEtcd},
		{"etcd is full (NOSPACE) for 5 s", fillEtcd},
		{"SIGSTOP of MinIO for 8 s", pauseMinIO},
		{"MinIO stands still half of the time for 8 s", stutterMinIO},
		{"MinIO answers 503 to two of three requests for 7 s", overloadMinIO},
		{"kill -9 of two of three brokers", killTwoBrokers},
		{"etcd's leader moves three times in 6 s", moveLeader},
		{"etcd's leader is cut off from what others send it for 7 s", isolateLeader},
		{"kill -9 of a broker and of etcd's leader", killBrokerAndLeader},
	}
}

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
func (s *stage) break1(r *rand.Rand, etcd bool, last time.Duration, do func(*link)) func() {
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

// nemesis counts episodes and the time after each until everybody got on.
type nemesis struct {
	*stage
	*crowd
	episodes []episode
}

// episode is one fault. It is over when all brokers serve, and each client has done something that it began after its end.
func (n *nemesis) episode(t testing.TB, f fault, r *rand.Rand) {
	t.Helper()
	heal := f.strike(n.stage, r)
	healed := n.Now()
	heal()
	harness.Await(t, 2*time.Minute, "brokers serve after "+f.name, n.serves)
	e := episode{Fault: f.name, Recovery: map[string]float64{}}
	took := n.awaitGetsOn(t, healed)
	for library, d := range took {
		e.Recovery[library] = d.Seconds()
	}
	n.episodes = append(n.episodes, e)
	t.Logf("%v: %s: everybody gets on after %v", n.Now().Round(time.Second), f.name, took)
}
