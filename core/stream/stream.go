// Package stream is the one watch of an instance: bootstrap, the live ledger,
// the barrier, and the news that others wait for.
//
//	List log/ at R ──► ledger as of R ──► Watch from R+1 ──► Apply, revision by revision
//	      ▲                                     │
//	      └── compacted, gone back, other era ──┘
//
// Owns: the ledger of this instance and the lock around it; who waits for a
// revision, a commit or a partition; new ids.
//
// Does not own: the fold (core/ledger), and who writes to etcd.
package stream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/pause"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/rule"
)

// ErrNotReady: this instance has not read the log yet, or cannot reach etcd. Try again.
var ErrNotReady = errors.New("instance is not ready: the log has not been read yet")

// ErrLost: etcd holds no cluster, and there are signs that it did. Nothing is begun in its place.
var ErrLost = errors.New("etcd has lost this cluster")

// Settings of a Stream.
type Settings struct {
	KV      coordination.KV
	Keys    coordination.Keys
	Now     func() time.Time
	Entropy io.Reader // of ids; used under a lock
	Log     *slog.Logger
	PageMax int // keys a page at bootstrap; 0: 1000
	// Observe is told of every commit folded live (for metrics and checkers); may be nil.
	Observe func(l *ledger.Ledger)
	// Barriered is told of each round of the barrier; may be nil.
	Barriered func(took time.Duration, err error)
	// MayBegin is asked before a cluster is made in an etcd that has none. Its error says why not; ErrLost ends Run, unless this
	// instance has served a cluster: then it waits for it to be restored. May be nil.
	MayBegin func(ctx context.Context) error
	// Visits: nobody runs Run; the log is read when it is asked for (visit.go).
	Visits bool
	// PollEvery is how often a Reader's partitions are read while it is open, for a Stream that Visits; 0: 200 ms.
	PollEvery time.Duration
}

// Stream follows the log. Run must be running for anything to happen.
type Stream struct {
	Settings

	state struct {
		sync.RWMutex
		ledger *ledger.Ledger // nil until the first bootstrap
		life   int64          // how often it was replaced
	}
	waiters struct {
		sync.Mutex
		advanced chan struct{} // closed and replaced whenever the ledger moves on
		expected map[string]*Expectation
		readers  map[record.TopicPartition]map[*Reader]struct{}
		fatal    error
	}
	barriers barriers
	lag      atomic.Int64 // revisions, at the beginning of the last barrier
	ids      ids
	behind   chan struct{} // somebody waits for a revision that does not come
	another  chan struct{} // another etcd, or era, answers where ours did
	visit    visit
}

// New makes a Stream; Run starts it.
func New(s Settings) *Stream {
	if s.PageMax == 0 {
		s.PageMax = 1000
	}
	st := &Stream{Settings: s, behind: make(chan struct{}, 1), another: make(chan struct{}, 1)}
	st.visit.init()
	st.waiters.advanced = make(chan struct{})
	st.waiters.expected = map[string]*Expectation{}
	st.waiters.readers = map[record.TopicPartition]map[*Reader]struct{}{}
	return st
}

// View calls fn with the ledger under a read lock: fn must be short, must not do
// I/O, and must not keep anything that changes. ErrNotReady before the first bootstrap.
func (s *Stream) View(fn func(l *ledger.Ledger)) error {
	s.state.RLock()
	defer s.state.RUnlock()
	if s.state.ledger == nil {
		return ErrNotReady
	}
	fn(s.state.ledger)
	return nil
}

// Ready says whether the log has been read: nil, ErrNotReady, or why this
// instance cannot go on (ledger.ErrFormat).
func (s *Stream) Ready() error {
	s.waiters.Lock()
	fatal := s.waiters.fatal
	s.waiters.Unlock()
	if fatal != nil {
		return fatal
	}
	return s.View(func(*ledger.Ledger) {})
}

// TopicByName finds a topic in the ledger as it is now.
func (s *Stream) TopicByName(name string) (t *ledger.Topic, ok bool) {
	_ = s.View(func(l *ledger.Ledger) { t, ok = l.TopicByName(name) })
	if !ok {
		s.visit.wantTopic(name)
	}
	return t, ok
}

// TopicByID finds a topic in the ledger as it is now.
func (s *Stream) TopicByID(id record.TopicID) (t *ledger.Topic, ok bool) {
	_ = s.View(func(l *ledger.Ledger) { t, ok = l.TopicByID(id) })
	return t, ok
}

// AllTopics lists the topics by name.
func (s *Stream) AllTopics() (out []*ledger.Topic) {
	_ = s.View(func(l *ledger.Ledger) { out = l.Topics() })
	return out
}

// ClusterID is the era: it changes when a cluster is created or restored.
func (s *Stream) ClusterID() (id string) {
	_ = s.View(func(l *ledger.Ledger) { id = l.Era() })
	return id
}

// FormatValue is what guards compare log/format with; nil before the first bootstrap.
func (s *Stream) FormatValue() (b []byte) {
	_ = s.View(func(l *ledger.Ledger) { b = l.FormatValue() })
	return b
}

// Life changes whenever the log was read anew: what was concluded from the stream before may have missed something.
func (s *Stream) Life() int64 {
	s.state.RLock()
	defer s.state.RUnlock()
	return s.state.life
}

// Run follows the log until ctx ends. It returns early only when this build must
// not go on (ledger.ErrFormat), or must not begin (ErrLost).
func (s *Stream) Run(ctx context.Context) error {
	for attempt := 0; ; attempt++ {
		err := s.follow(ctx)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case !rule.On(rule.StreamReopens):
			return err
		case errors.Is(err, ledger.ErrFormat), errors.Is(err, ErrLost) && s.Life() == 0:
			s.waiters.Lock()
			s.waiters.fatal = err
			s.waiters.Unlock()
			s.forget()
			return fmt.Errorf("follow the log: %w", err)
		case errors.Is(err, errMoved):
			attempt = 0
		}
		s.Log.Warn("reading the log anew", "cause", err)
		if err := pause.For(ctx, pause.Backoff(attempt, 20*time.Millisecond, time.Second)); err != nil {
			return err
		}
	}
}

// errMoved: the stream had made progress before it broke.
var errMoved = errors.New("watch ended")

// forget drops all state: answers are refused until the next bootstrap.
func (s *Stream) forget() {
	s.state.Lock()
	s.state.ledger = nil
	s.state.life++
	s.state.Unlock()
	s.advance()
}
