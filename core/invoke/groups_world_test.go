package invoke_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"maps"
	mathrand "math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/consume"
	"github.com/firnlog/firnlog/core/coretest"
	"github.com/firnlog/firnlog/core/group"
	"github.com/firnlog/firnlog/core/invoke"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/stream"
	"github.com/firnlog/firnlog/core/topic"
)

// society is a group with members behind functions and members over TCP, environments that freeze and die, and brokers that
// appear and disappear.
type society struct {
	*testing.T
	*mathrand.Rand
	c       *coretest.Cluster
	log     *coretest.Instance
	offices *offices
	topic   record.TopicID
	next    int // environments and members
	hands   []*hand
	wires   []*wireMember
	written map[int32]record.Offset // ends
	acked   map[int32]record.Offset // commits that were acknowledged
	steps   []string
	mu      sync.Mutex
	doomed  map[string]int // requests that an environment may still send; then it is dead
	dice    *mathrand.Rand // of latencies
}

// hand is a member behind functions.
type hand struct {
	name  string
	e     *invoke.Environment
	eName string
	used  time.Time
}

// wireMember is a KIP-848 client.
type wireMember struct {
	id    string
	epoch int32
	has   group.Partitions
	heard time.Time
}

const societyPartitions = 4

func newSociety(t *testing.T, seed uint64) *society {
	t.Helper()
	c := coretest.NewCluster(t)
	s := &society{T: t, Rand: mathrand.New(mathrand.NewPCG(seed, 7)), c: c, written: map[int32]record.Offset{}, acked: map[int32]record.Offset{}, doomed: map[string]int{}, dice: mathrand.New(mathrand.NewPCG(seed, 8))}
	s.log = c.Instance("log", coretest.Options{}).Ready()
	s.topic = c.CreateTopic("t", societyPartitions)
	s.log.Barrier()
	s.offices = &offices{c: c, log: s.log, open: map[int32]*office{}}
	c.FaultKV(s.decide)
	return s
}

// decide lets each request take its time, and those of a dead environment fail.
func (s *society) decide(who string, op coordination.Op, _ string) (d coordination.Decision) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if op != coordination.OpUpdate {
		d.Delay = time.Duration(s.dice.IntN(50_000)) * time.Microsecond
	}
	left, doomed := s.doomed[who]
	switch {
	case !doomed:
	case left > 1:
		s.doomed[who]--
	case left == 1: // applied, and nobody hears of it
		s.doomed[who] = 0
		d.Fail = coordination.FailAfter
	default:
		d.Fail = coordination.FailBefore
	}
	return d
}

func (s *society) environment() (*invoke.Environment, string) {
	s.next++
	name := fmt.Sprint("f", s.next)
	kv, store, entropy := s.c.Reach(name)
	return invoke.New(invoke.Settings{
		Store: store, KV: kv, Cluster: "test", Now: time.Now, Entropy: entropy, Log: coretest.Quiet(), Margin: time.Second, CacheBytes: 1 << 20,
		Topics: topic.DefaultSettings(), NewTopicID: func() (id record.TopicID) { return id }, NewID: rand.Text, Dial: s.offices.dial,
	}), name
}

func (s *society) write() {
	tp := record.TopicPartition{Topic: s.topic, Partition: int32(s.IntN(societyPartitions))}
	s.log.MustProduce(coretest.Plain(tp, "v"))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.written[tp.Partition]++
}

// plan is what is drawn beforehand of an invocation.
type plan struct{ dies, leaves bool }

// prepare draws an invocation of a member behind a function; it may die in the middle, and then its environment is gone.
func (s *society) prepare(h *hand, mayDie bool) plan {
	if h.e == nil || s.IntN(4) == 0 {
		h.e, h.eName = s.environment()
	}
	h.used = time.Now()
	p := plan{mayDie && s.IntN(4) == 0, mayDie && s.IntN(12) == 0}
	if p.dies {
		s.mu.Lock()
		s.doomed[h.eName] = 1 + s.IntN(9)
		s.mu.Unlock()
	}
	return p
}

// invokes is that invocation.
func (s *society) invokes(h *hand, p plan) {
	err := s.work(h, p.leaves)
	if p.dies {
		h.e = nil
	}
	s.check(fmt.Sprintf("%s (%v): %v", h.name, p, err))
}

// work reads, commits, and sometimes leaves.
func (s *society) work(h *hand, leaves bool) error {
	ctx, cancel := context.WithTimeout(s.Context(), 20*time.Second)
	defer cancel()
	ctx, done, err := h.e.BeginGroup(ctx, "g", h.name, stream.Need{Topics: []string{"t"}})
	if err != nil {
		return err
	}
	defer done()
	defer h.e.End()
	m, err := h.e.Join(ctx, "g", h.name, invoke.Subscription{Topics: []string{"t"}, Reset: consume.Earliest, Life: 2 * time.Minute})
	if err != nil {
		return err
	}
	got, err := m.Poll(ctx, 1<<20, 0)
	if err != nil {
		return err
	}
	s.check("poll of " + h.name)
	next := map[record.TopicPartition]record.Offset{}
	for _, f := range got {
		if f.Err != nil {
			return f.Err
		}
		if next[f.Name()], err = consume.Walk(f.Result, f.Position, func(record.Header, record.Record) (bool, error) { return false, nil }); err != nil {
			return err
		}
	}
	if err := m.Commit(ctx, next); err != nil {
		return err
	}
	for tp, at := range next {
		s.acknowledged(tp.Partition, at)
	}
	if leaves {
		return m.Leave(ctx)
	}
	return nil
}

func (s *society) acknowledged(n int32, at record.Offset) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.acked[n] = max(s.acked[n], at)
}

// beats is a heartbeat over TCP, with a commit of all that the member has.
func (s *society) beats(w *wireMember) {
	o := s.offices.coordinator("g")
	if o == nil {
		return
	}
	regex := ""
	r := group.ConsumerRequest{MemberID: w.id, Epoch: w.epoch, RebalanceMs: 30_000, Names: []string{"t"}, Regex: &regex, Owned: w.has}
	if w.epoch == 0 {
		w.has, r.Owned = group.Partitions{}, group.Partitions{}
	}
	res, err := o.ConsumerHeartbeat(s.Context(), "g", r)
	if err != nil {
		w.epoch, w.has = 0, group.Partitions{}
		return
	}
	w.epoch, w.heard = res.Epoch, time.Now()
	if res.Assignment != nil {
		w.has = *res.Assignment
	}
	commit := group.CommitRequest{CommitCheck: group.CommitCheck{MemberID: w.id, Generation: w.epoch, NewErrors: true}}
	one := group.CommitTopic{Name: "t", ID: s.topic, Partitions: map[int32]group.Committed{}}
	for _, n := range w.has[s.topic] {
		one.Partitions[n] = group.Committed{Offset: s.end(n), LeaderEpoch: -1}
	}
	commit.Topics = []group.CommitTopic{one}
	if len(one.Partitions) > 0 && o.CommitOffsets(s.Context(), "g", commit) == nil {
		for _, n := range slices.Sorted(maps.Keys(one.Partitions)) {
			s.acknowledged(n, one.Partitions[n].Offset)
		}
	}
}

func (s *society) end(n int32) record.Offset {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.written[n]
}

// fail may be called in any goroutine.
func (s *society) fail(format string, args ...any) {
	s.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.Errorf("%s\nafter: %v", fmt.Sprintf(format, args...), s.steps)
}
