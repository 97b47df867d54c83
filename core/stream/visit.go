package stream

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/pause"
	"github.com/firnlog/firnlog/core/record"
)

// A Stream that visits has no watch: it is of a process that is frozen between requests, so that a watch would be lost, and a
// bootstrap of everything too dear for one request. It reads what is wanted, when that is needed:
//
//	Visit          marks, and the topics that the request names: all that a write needs to begin
//	Expect … Wait  at the revision of the commit: the heads of its partitions, and the commits since they were last folded
//	Barrier        the same for all that is wanted, at the newest revision
//	Subscribe      the same again and again while the Reader is open
//
// Each is one read-only transaction of etcd. What was folded stays in memory for the next visit, however much later that
// is; what it shows was read in this visit.
//
// Invariants:
//   - A commit's outcome is read at its own revision: no head can be past it there, so the fold decides it.
//   - Only a Stream with MayBegin begins a cluster where there is none.
//   - Another era or format, or a revision that lies in the past: all memory is dropped, and the read begins again.

// Need is what a visit is about, as far as it is known beforehand. What is missing here is read when it is missed.
type Need struct {
	Topics    []string
	AllTopics bool
	// Partitions to read at once, by topic name; of topics that are remembered only.
	Partitions map[string][]int32
	// Assigned are partitions by id, of topics that are named above.
	Assigned []record.TopicPartition
}

const (
	pollEvery = 200 * time.Millisecond
	// rangesMax leaves room for the ranges that every read has.
	rangesMax = coordination.OperationsMax - 8
)

// visit is what the Stream is asked for in the present visit.
type visit struct {
	reading chan struct{} // holds one while a read is on its way
	// covered is up to where every head covers all commits: a read leaves these out, however much of them etcd still has. It belongs to the
	// ledger's era and is guarded as the ledger is.
	covered coordination.Revision
	asked   bool         // for covered
	begun   atomic.Int64 // reads
	ended   atomic.Int64 // the last of them that brought something
	mu      struct {
		sync.Mutex
		all        bool
		topics     map[string]bool
		partitions map[record.TopicPartition]bool
	}
}

func (v *visit) init() {
	v.reading = make(chan struct{}, 1)
	v.reset(false)
}

func (v *visit) reset(all bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.mu.all, v.mu.topics, v.mu.partitions = all, map[string]bool{}, map[record.TopicPartition]bool{}
}

func (v *visit) wantTopic(name string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.mu.topics[name] = true
}

// Want says that these partitions are about to be looked at: a Stream that visits reads them from now on.
func (s *Stream) Want(partitions ...record.TopicPartition) {
	if !s.Visits {
		return
	}
	s.visit.mu.Lock()
	defer s.visit.mu.Unlock()
	for _, tp := range partitions {
		s.visit.mu.partitions[tp] = true
	}
}

// WantAllTopics says that all topics are about to be looked at: the next read of a Stream that visits brings them.
func (s *Stream) WantAllTopics() {
	s.visit.mu.Lock()
	defer s.visit.mu.Unlock()
	s.visit.mu.all = true
}

// Visit begins a visit: what was known is memory from here on, and what the visit is about is read.
func (s *Stream) Visit(ctx context.Context, need Need) error {
	s.visit.reset(need.AllTopics)
	for _, name := range need.Topics {
		s.visit.wantTopic(name)
	}
	s.state.Lock()
	if s.state.ledger == nil {
		s.state.ledger = ledger.NewPartial(s.Keys)
	}
	l := s.state.ledger
	l.Renew()
	for name, numbers := range need.Partitions {
		if t, ok := l.Remembered(name); ok {
			for _, n := range numbers {
				s.Want(record.TopicPartition{Topic: t.ID, Partition: n})
			}
		}
	}
	s.state.Unlock()
	s.Want(need.Assigned...)
	return s.read(ctx, 0)
}

// read reads what is wanted as of a revision; 0: the newest.
//
// Of several at the same time, each of what it wants, one that began after the others were asked for is enough for all of them.
func (s *Stream) read(ctx context.Context, at coordination.Revision) error {
	asked := s.visit.begun.Load()
	select {
	case s.visit.reading <- struct{}{}:
		defer func() { <-s.visit.reading }()
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", ErrNotReady, ctx.Err())
	}
	if at == 0 && s.visit.ended.Load() > asked {
		return nil
	}
	if at <= s.applied() {
		at = 0 // another read has come further meanwhile
	}
	n := s.visit.begun.Add(1)
	err := s.readOnce(ctx, at)
	if errors.Is(err, coordination.ErrCompacted) {
		at = 0
		err = s.readOnce(ctx, at)
	}
	if errors.Is(err, ledger.ErrEra) {
		s.dropMemory()
		err = s.readOnce(ctx, 0)
	}
	if errors.Is(err, ledger.ErrNoCluster) && s.MayBegin != nil {
		if err = s.ensureCluster(ctx); err == nil {
			err = s.readOnce(ctx, 0)
		}
	}
	if err == nil && at == 0 {
		s.visit.ended.Store(n)
	}
	if err != nil && !errors.Is(err, ledger.ErrFormat) {
		return fmt.Errorf("read the log: %w: %w", ErrNotReady, err)
	}
	return err
}

// dropMemory forgets all that was folded, but not what is wanted.
func (s *Stream) dropMemory() {
	s.state.Lock()
	defer s.state.Unlock()
	s.state.ledger, s.visit.covered, s.visit.asked = ledger.NewPartial(s.Keys), 0, false
	s.state.life++
}

func (s *Stream) readOnce(ctx context.Context, at coordination.Revision) error {
	ask := s.ask()
	if !ask.asked && len(ask.partitions) > 0 { // a cold member of a group: a small read that spares a large one
		if err := ask.lookCovered(ctx, s.KV, at); err != nil {
			return err
		}
	}
	reading, err := ask.send(ctx, s.KV, at)
	if err != nil {
		return err
	}
	folded := map[string]*Learned{}
	touched := map[record.TopicPartition]struct{}{}
	obs := ledger.Observer{Commit: s.collect(folded), Touched: func(tp record.TopicPartition) { touched[tp] = struct{}{} }}
	s.state.Lock()
	if s.state.ledger == nil {
		s.state.ledger = ledger.NewPartial(s.Keys)
	}
	if err = s.state.ledger.Read(reading, obs); err == nil {
		s.visit.covered, s.visit.asked = max(s.visit.covered, ask.covered), true
	}
	if errors.Is(err, ledger.ErrFormat) {
		s.state.ledger, s.visit.covered, s.visit.asked = nil, 0, false
	}
	s.resolve(folded)
	s.state.Unlock()
	s.wake(touched)
	s.advance()
	return err
}

// ask gathers what is wanted now.
func (s *Stream) ask() *question {
	q := &question{keys: s.Keys}
	v := &s.visit
	v.mu.Lock()
	q.all = v.mu.all
	for name := range v.mu.topics {
		if !q.all {
			q.topics = append(q.topics, name)
		}
	}
	for tp := range v.mu.partitions {
		q.partitions = append(q.partitions, tp)
	}
	v.mu.Unlock()
	slices.Sort(q.topics)
	slices.SortFunc(q.partitions, record.TopicPartition.Compare)
	s.state.RLock()
	if l := s.state.ledger; l != nil {
		q.since, q.covered, q.asked = l.Since(q.partitions), s.visit.covered, s.visit.asked
	}
	s.state.RUnlock()
	return q
}

// visit reads until the commit is folded.
func (e *Expectation) visit(ctx context.Context, rev coordination.Revision) (*Learned, error) {
	for attempt := 0; ; attempt++ {
		err := e.s.read(ctx, rev)
		select {
		case l := <-e.learned:
			return l, nil
		default:
		}
		switch {
		case err == nil:
			return &Learned{Revision: rev}, nil
		case errors.Is(err, ledger.ErrFormat):
			return nil, err
		}
		if pause.For(ctx, pause.Backoff(attempt, 20*time.Millisecond, time.Second)) != nil {
			return nil, err
		}
	}
}

// poll reads for a Reader until it is closed.
func (s *Stream) poll(r *Reader) {
	every := s.PollEvery
	if every == 0 {
		every = pollEvery
	}
	ctx, cancel := context.WithCancel(context.Background())
	over := make(chan struct{})
	r.stop = func() { cancel(); <-over }
	go func() {
		defer close(over)
		for pause.For(ctx, every) == nil {
			_ = s.read(ctx, 0) // failed: tried again; who waits passes a barrier in the end
		}
	}()
}
