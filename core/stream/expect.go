package stream

import (
	"context"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/record"
)

// silenceMax is how long a commit that etcd has confirmed may stay unseen before
// the watch is opened anew.
const silenceMax = 250 * time.Millisecond

// Learned is what the fold decided about a commit: Outcomes[i][k] belongs to its
// Runs[i].Entries[k]. Nil Outcomes: a bootstrap jumped over it.
type Learned struct {
	Revision coordination.Revision
	Outcomes [][]ledger.Outcome
}

// Expectation waits for one commit of this instance.
type Expectation struct {
	s       *Stream
	key     string
	learned chan *Learned // holds one
}

// Expect must be called before the commit is sent; Forget after.
func (s *Stream) Expect(id ulid.ULID, c *ledger.Commit) *Expectation {
	e := &Expectation{s: s, key: id.String(), learned: make(chan *Learned, 1)}
	c.Partitions(func(tp record.TopicPartition) { s.Want(tp) })
	s.waiters.Lock()
	s.waiters.expected[e.key] = e
	s.waiters.Unlock()
	return e
}

// Forget ends the expectation.
func (e *Expectation) Forget() {
	e.s.waiters.Lock()
	delete(e.s.waiters.expected, e.key)
	e.s.waiters.Unlock()
}

func (s *Stream) isExpected(key string) bool {
	s.waiters.Lock()
	defer s.waiters.Unlock()
	return s.waiters.expected[key] != nil
}

func (s *Stream) resolve(folded map[string]*Learned) {
	s.waiters.Lock()
	defer s.waiters.Unlock()
	for key, l := range folded {
		if e := s.waiters.expected[key]; e != nil {
			select {
			case e.learned <- l:
			default: // a bootstrap folds again what was folded already
			}
		}
	}
}

// Wait waits until the fold has reached rev, at which etcd confirmed the commit. When a
// bootstrap jumped over it, Outcomes is nil: the outcome is unknown unless the
// producer's window tells.
func (e *Expectation) Wait(ctx context.Context, rev coordination.Revision) (*Learned, error) {
	if e.s.Visits {
		return e.visit(ctx, rev)
	}
	stalled := time.NewTimer(silenceMax)
	defer stalled.Stop()
	for {
		advanced := e.s.whenAdvanced()
		select {
		case l := <-e.learned:
			return l, nil
		default:
		}
		if e.s.applied() >= rev {
			select { // folded between the two looks
			case l := <-e.learned:
				return l, nil
			default:
				return &Learned{Revision: rev}, nil
			}
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-advanced:
		case <-stalled.C:
			e.s.nudge()
			stalled.Reset(silenceMax)
		}
	}
}

// WaitRevision waits until the ledger has folded up to rev.
func (s *Stream) WaitRevision(ctx context.Context, rev coordination.Revision) error {
	if s.Visits {
		return s.read(ctx, 0)
	}
	stalled := time.NewTimer(silenceMax)
	defer stalled.Stop()
	for {
		advanced := s.whenAdvanced()
		if s.applied() >= rev {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-advanced:
		case <-stalled.C:
			s.nudge()
			stalled.Reset(silenceMax)
		}
	}
}

func (s *Stream) whenAdvanced() <-chan struct{} {
	s.waiters.Lock()
	defer s.waiters.Unlock()
	return s.waiters.advanced
}

func (s *Stream) advance() {
	s.waiters.Lock()
	defer s.waiters.Unlock()
	close(s.waiters.advanced)
	s.waiters.advanced = make(chan struct{})
}

// nudge makes Run open the watch anew.
func (s *Stream) nudge() {
	select {
	case s.behind <- struct{}{}:
	default:
	}
}

// Reader is told when one of its partitions has news.
type Reader struct {
	s          *Stream
	partitions []record.TopicPartition
	news       chan struct{} // holds one
	stop       func()        // of what reads for it
}

// Subscribe makes a Reader; Close it.
func (s *Stream) Subscribe(partitions []record.TopicPartition) *Reader {
	r := &Reader{s: s, partitions: partitions, news: make(chan struct{}, 1), stop: func() {}}
	if s.Visits {
		s.Want(partitions...)
		defer s.poll(r)
	}
	s.waiters.Lock()
	defer s.waiters.Unlock()
	for _, tp := range partitions {
		set := s.waiters.readers[tp]
		if set == nil {
			set = map[*Reader]struct{}{}
			s.waiters.readers[tp] = set
		}
		set[r] = struct{}{}
	}
	return r
}

// News has something in it after each change of a partition that was asked for.
func (r *Reader) News() <-chan struct{} { return r.news }

// Close ends the subscription.
func (r *Reader) Close() {
	r.stop()
	r.s.waiters.Lock()
	defer r.s.waiters.Unlock()
	for _, tp := range r.partitions {
		set := r.s.waiters.readers[tp]
		delete(set, r)
		if len(set) == 0 {
			delete(r.s.waiters.readers, tp)
		}
	}
}

func (r *Reader) notify() {
	select {
	case r.news <- struct{}{}:
	default:
	}
}

func (s *Stream) wake(touched map[record.TopicPartition]struct{}) {
	s.waiters.Lock()
	defer s.waiters.Unlock()
	for tp := range touched {
		for r := range s.waiters.readers[tp] {
			r.notify()
		}
	}
}

func (s *Stream) wakeAll() {
	s.waiters.Lock()
	defer s.waiters.Unlock()
	for _, set := range s.waiters.readers {
		for r := range set {
			r.notify()
		}
	}
}
