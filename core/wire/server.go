// Package wire is the Kafka TCP front end: connections, frames, order of
// answers, and one file for each API key (produce.go, fetch.go, …) with a card on
// top.
//
// A connection has two goroutines. The reader takes frames in; the writer answers them in
// their order, one at a time:
//
//	reader: frame → header → Produce? phase one (parse, Appender.Add) : nothing yet → queue
//	writer: queue → Produce? what phase two gave : run the handler → response out
//
// so that pipelined Produce requests overlap in the ingest path, and every
// other request starts only when all before it are answered. A Produce behind
// such a request waits for it in the reader.
//
// Memory is bounded for all connections together: a large frame takes its size from
// a budget before it is read, and only when it is its turn, so that a client can
// hold up none but itself. A connection has at most PipelineMax requests
// unanswered, and one large response at a time.
//
// Before any of that a client is admitted (gate.go): TLS, and SASL requests answered one by one, with small frames, in a bounded time.
//
// Owns: the protocol, and what a session may send. Does not own: validation of batches (core/ingest), what topics and
// partitions hold, who is who (core/auth).
package wire

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/firnlog/firnlog/core/auth"
	"github.com/firnlog/firnlog/core/ingest"
)

// Server answers Kafka requests on any number of listeners.
type Server struct {
	settings  Settings
	backend   Backend
	guards    Guards
	events    Events
	connected atomic.Int64 // connections so far: each has a number
	now       func() time.Time
	log       *slog.Logger
	apis      apiTable
	sessions  *sessions
	requests  *semaphore.Weighted
	responses *semaphore.Weighted
	strangers *semaphore.Weighted // connections that have not authenticated
	add       func(context.Context, []ingest.Incoming) waiter

	ctx       context.Context // ends when connections must go at once
	stop      context.CancelFunc
	draining  chan struct{} // closed when no new request is taken
	refusing  atomic.Bool   // of Produce: clients are sent away (steer.go)
	steering  atomic.Bool   // of Fetch too
	released  chan struct{} // closed when a Produce that is refused may be told
	release   func()
	wanted    atomic.Int64 // when one last came with what is refused, in nanoseconds, since Steer
	producing atomic.Int64 // Produce requests that were taken and are not answered
	live      sync.WaitGroup

	mu struct {
		sync.Mutex
		draining  bool
		conns     map[*conn]struct{}
		listeners map[net.Listener]struct{}
		hosts     crowd // connections by address
		unknown   crowd // those that have not authenticated
	}
}

// New makes a Server; it starts nothing.
func New(settings Settings, backend Backend, log *slog.Logger) *Server {
	s := &Server{
		settings: settings, backend: backend, guards: backend.Guards, events: backend.Events, now: time.Now, log: log,
		sessions:  newSessions(settings.FetchSessionsMax, time.Now),
		requests:  semaphore.NewWeighted(settings.RequestMemory),
		responses: semaphore.NewWeighted(settings.ResponseMemory),
		strangers: semaphore.NewWeighted(int64(settings.StrangersMax)),
		draining:  make(chan struct{}),
		released:  make(chan struct{}),
	}
	s.release = sync.OnceFunc(func() { close(s.released) })
	if s.guards.Authorizer == nil {
		s.guards.Authorizer = auth.Open{Unguarded: true}
	}
	s.add = func(ctx context.Context, in []ingest.Incoming) waiter { return backend.Appender.Add(ctx, in) }
	s.apis = s.table()
	s.ctx, s.stop = context.WithCancel(context.Background())
	s.mu.conns = map[*conn]struct{}{}
	s.mu.listeners = map[net.Listener]struct{}{}
	s.mu.hosts, s.mu.unknown = crowd{}, crowd{}
	return s
}

// ErrClosed is what Serve returns after Shutdown.
var ErrClosed = errors.New("server is shut down")

// Serve accepts connections until ctx ends or Shutdown is called. When ctx ends it drains for
// at most Settings.DrainMax and returns nil. listener is the name by which instances
// advertise addresses for the clients of this one.
func (s *Server) Serve(ctx context.Context, ln net.Listener, listener string) error {
	if !s.addListener(ln) {
		ln.Close()
		return ErrClosed
	}
	stopped := make(chan struct{})
	end := context.AfterFunc(ctx, func() {
		defer close(stopped)
		deadline, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.settings.DrainMax)
		defer cancel()
		if err := s.Shutdown(deadline); err != nil {
			s.log.Warn("connections closed with requests in progress", "error", err)
		}
	})
	err := s.accept(ln, listener)
	if !end() {
		<-stopped
		return nil
	}
	ln.Close()
	return err
}

func (s *Server) addListener(ln net.Listener) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.draining {
		return false
	}
	s.mu.listeners[ln] = struct{}{}
	return true
}

// accept ends with an error when the listener is closed. Other errors (no file descriptors left) pass.
func (s *Server) accept(ln net.Listener, listener string) error {
	for {
		nc, err := ln.Accept()
		switch {
		case err == nil:
			if !s.start(nc, listener) {
				nc.Close()
			}
		case errors.Is(err, net.ErrClosed):
			select {
			case <-s.draining:
				return ErrClosed
			default:
				return fmt.Errorf("accept on %s: %w", ln.Addr(), err)
			}
		default:
			s.log.Warn("connection not accepted", "error", err)
			select {
			case <-time.After(100 * time.Millisecond):
			case <-s.draining:
			}
		}
	}
}

// start serves one connection in goroutines of its own, unless there are too many.
func (s *Server) start(nc net.Conn, listener string) bool {
	c := newConn(s, nc, listener)
	host := c.host()
	s.mu.Lock()
	defer s.mu.Unlock()
	full := s.settings.ConnectionsMax > 0 && len(s.mu.conns) >= s.settings.ConnectionsMax
	if s.mu.draining || full || !s.mu.hosts.add(host, s.settings.ConnectionsPerAddressMax) {
		if !s.mu.draining {
			s.log.Warn("connection refused: there are too many", "address", host, "all", full)
		}
		s.events.connected(false)
		return false
	}
	s.events.connected(true)
	s.mu.conns[c] = struct{}{}
	s.live.Go(func() {
		c.serve()
		s.mu.Lock()
		delete(s.mu.conns, c)
		s.mu.hosts.leave(host)
		s.mu.Unlock()
	})
	return true
}

// stranger notes somebody who has not authenticated, unless there are too many of their address.
func (s *Server) stranger(host string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mu.unknown.add(host, s.settings.StrangersPerAddressMax)
}

func (s *Server) known(host string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.unknown.leave(host)
}

// Connections is how many are open.
func (s *Server) Connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.mu.conns)
}

// Shutdown stops accepting, takes no further requests, ends waits for new records, finishes
// what is in progress until ctx ends, and closes all connections.
func (s *Server) Shutdown(ctx context.Context) error {
	s.drain()
	done := make(chan struct{})
	go func() { s.live.Wait(); close(done) }()
	select {
	case <-done:
		s.stop()
		return nil
	case <-ctx.Done():
	}
	s.stop() // ends every connection's context, which closes it
	<-done
	return fmt.Errorf("finish requests in progress: %w", ctx.Err())
}

func (s *Server) drain() {
	s.mu.Lock()
	first := !s.mu.draining
	s.mu.draining = true
	var conns []*conn
	for c := range s.mu.conns {
		conns = append(conns, c)
	}
	var listeners []net.Listener
	for ln := range s.mu.listeners {
		listeners = append(listeners, ln)
	}
	s.mu.Unlock()
	if first {
		close(s.draining)
	}
	for _, ln := range listeners {
		ln.Close()
	}
	for _, c := range conns {
		c.interruptRead()
	}
}
