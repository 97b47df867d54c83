//go:build stack

package faults

import (
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// fault is one kind of episode: strike breaks something, and gives what ends it. Both may wait.
type fault struct {
	name   string
	of     part
	strike func(s *stage, r *rand.Rand) (heal func())
}

// part of the stage. Faults of two of them may happen at once.
type part int

const (
	ofSeveral part = iota // more than one
	ofBrokers
	ofNetwork // between brokers and the others
	ofEtcd
	ofStore
	ofClocks
	ofClients
)

const pairs = "two of these at once, drawn"

// faults in the order in which the first round takes them.
func faults() []fault {
	return []fault{
		{"kill -9 of a broker", ofBrokers, killBroker},
		{"SIGSTOP of a broker for 8 s", ofBrokers, pauseBroker},
		{"kill -9 of etcd's leader", ofEtcd, killLeader},
		{"broker cut off from etcd for 7 s", ofNetwork, break1(true, cutFor, (*link).cut)},
		{"kill -9 of MinIO", ofStore, killMinIO},
		{"broker to etcd: packets dropped for 7 s", ofNetwork, break1(true, cutFor, (*link).hold)},
		{"broker cut off from MinIO for 7 s", ofNetwork, break1(false, cutFor, (*link).cut)},
		{"broker to MinIO: packets dropped for 7 s", ofNetwork, break1(false, cutFor, (*link).hold)},
		{"broker to etcd: 150 ms slower for 6 s", ofNetwork, break1(true, slowFor, func(l *link) { l.slow(150 * time.Millisecond) })},
		{"broker to MinIO: 400 ms slower for 6 s", ofNetwork, break1(false, slowFor, func(l *link) { l.slow(400 * time.Millisecond) })},
		{"SIGSTOP of etcd's leader for 8 s", ofEtcd, pauseLeader},
		{"kill -9 of all brokers", ofBrokers, killBrokers},
		{"kill -9 of all of etcd", ofEtcd, killEtcd},
		{"etcd is full (NOSPACE) for 5 s", ofEtcd, fillEtcd},
		{"SIGSTOP of MinIO for 8 s", ofStore, pauseMinIO},
		{"MinIO stands still half of the time for 8 s", ofStore, stutterMinIO},
		{"MinIO answers 503 to two of three requests for 7 s", ofStore, overloadMinIO},
		{"kill -9 of two of three brokers", ofBrokers, killTwoBrokers},
		{"etcd's leader moves three times in 6 s", ofEtcd, moveLeader},
		{"etcd's leader is cut off from what others send it for 7 s", ofEtcd, isolateLeader},
		{"kill -9 of a broker and of etcd's leader", ofSeveral, killBrokerAndLeader},
		{"etcd's leader is cut off from both others, both ways, for 7 s", ofEtcd, partLeader},
		{"etcd's leader and one other cut off from each other for 7 s", ofEtcd, partTwo},
		{"etcd's members all cut off from each other for 7 s", ofEtcd, partAll},
		{"clock of a broker 10 min ahead for 8 s", ofClocks, off(10 * time.Minute)},
		{"clock of a broker 10 min behind for 8 s", ofClocks, off(-10 * time.Minute)},
		{"clock of a broker jumps by up to 14 min, to and fro, for 8 s", ofClocks, jumping},
		{"clocks of brokers 10 min ahead, right and 10 min behind for 8 s", ofClocks, apart},
		{"clock of a broker 30 min ahead for 8 s", ofClocks, off(30 * time.Minute)},
		{"kill -9 of a broker that comes back with a clock 10 min behind, for 8 s", ofSeveral, killedAndOff},
		{"kill -9 of librdkafka's clients", ofClients, killProgram(librdkafka)},
		{"kill -9 of Java's clients", ofClients, killProgram(java)},
		{"SIGSTOP of a library's clients for 15 s", ofClients, pauseProgram},
		{pairs, ofSeveral, nil},
	}
}

// possible says whether there is what a fault strikes.
func (f fault) possible(libraries []string) bool {
	switch f.name {
	case "kill -9 of librdkafka's clients":
		return slices.Contains(libraries, librdkafka)
	case "kill -9 of Java's clients":
		return slices.Contains(libraries, java)
	}
	return f.of != ofClients || len(libraries) > 1 || libraries[0] != franz
}

// needsClocks says that it may set those of brokers.
func (f fault) needsClocks() bool { return strings.Contains(f.name, "clock") || f.name == pairs }

// striking is the fault itself, or two drawn from those of a list that are of different parts.
func (f fault) striking(r *rand.Rand, list []fault) []fault {
	if f.name != pairs {
		return []fault{f}
	}
	for {
		a, b := list[r.IntN(len(list))], list[r.IntN(len(list))]
		if a.of != ofSeveral && b.of != ofSeveral && a.of != b.of {
			return []fault{a, b}
		}
	}
}

// strikeAll lets them happen at once, and gives what ends them.
func strikeAll(s *stage, r *rand.Rand, faults []fault) (heal func()) {
	heals := make([]func(), len(faults))
	var all sync.WaitGroup
	for i, f := range faults[1:] {
		dice := rand.New(rand.NewPCG(r.Uint64(), 0))
		all.Go(func() { heals[1+i] = f.strike(s, dice) })
	}
	heals[0] = faults[0].strike(s, r)
	all.Wait()
	return func() {
		for _, h := range heals {
			if h != nil { // nil: the test has failed
				h()
			}
		}
	}
}

func TestPairs_AreOfDifferentParts(t *testing.T) {
	r, list := rand.New(rand.NewPCG(1, 1)), faults()
	drawn := map[[2]string]bool{}
	for range 2000 {
		got := fault{name: pairs}.striking(r, list)
		if len(got) != 2 || got[0].of == got[1].of || got[0].of == ofSeveral || got[1].of == ofSeveral {
			t.Fatalf("%v", got)
		}
		drawn[[2]string{got[0].name, got[1].name}] = true
	}
	if len(drawn) < 500 {
		t.Errorf("only %d pairs", len(drawn))
	}
}
