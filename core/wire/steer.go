package wire

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/firnlog/firnlog/core/pause"
)

// A server that is about to be shut down sends its clients away first:
//
//	SteerProducers no Produce is taken any more; it returns when those that were taken have their outcomes
//	Steer          every Produce that was not taken is answered NOT_LEADER_OR_FOLLOWER, and every Fetch; waits for new records end.
//	               Java, librdkafka and franz-go take that as what it is in Kafka's own restarts: they ask for metadata, and send the same
//	               again to the leader that it names. Nothing of a Produce that is answered so was handed on, so it cannot be there twice
//	AwaitQuiet     until they have gone
//	Shutdown       closes what connections are left
//
// Between the first two this instance is taken out of Metadata, so that the one answer that a client asks for then leaves it out.
// franz-go drops its connections to what it is not told of any more: so a producer must have its answers before, or it sends again what is
// there. What it does not drop it finds dead when it needs it next, which may be as late as the next restart, and when it has such ones to
// several brokers it waits for seconds before it tries another.
//
// All other requests are served as before: Metadata must be. A connection's Produce requests are refused from one on and never again
// taken, so that no batch overtakes another. Without acknowledgement there is nobody to tell; those are taken to the end.
//
// Rejected: the leader in the answer (KIP-951). Clients follow it only with a higher leader epoch, and there is but one here; franz-go
// takes one with the same epoch as a sign that it need not look.

// errSteered: clients shall go to another instance. Nothing was done.
var errSteered = errors.New("this instance leaves: another one takes the partition")

// lookEvery is how often it is looked whether clients have gone.
const lookEvery = 20 * time.Millisecond

// SteerProducers takes no Produce from here on, and waits for those that were taken before, until ctx ends. Metadata must not name this
// instance as a leader any more, and Steer must follow: until then those that are not taken have no answer.
func (s *Server) SteerProducers(ctx context.Context) {
	s.wanted.Store(s.now().UnixNano())
	s.refusing.Store(true)
	for s.producing.Load() > 0 {
		if pause.For(ctx, lookEvery) != nil {
			return
		}
	}
}

// Steer sends producers and readers away.
func (s *Server) Steer() {
	s.wanted.Store(s.now().UnixNano())
	s.refusing.Store(true)
	s.steering.Store(true)
	s.release()
	s.mu.Lock()
	var conns []*conn
	for c := range s.mu.conns {
		conns = append(conns, c)
	}
	s.mu.Unlock()
	for _, c := range conns {
		c.unpoll()
	}
}

// awaitRelease holds back the answer to a Produce that was not taken.
func (s *Server) awaitRelease(ctx context.Context) {
	select {
	case <-s.released:
	case <-ctx.Done():
	}
}

// steered says that this Produce or Fetch is to be sent away, and notes that one came.
func (s *Server) steered(away *atomic.Bool) bool {
	if !away.Load() {
		return false
	}
	s.wanted.Store(s.now().UnixNano())
	return true
}

// AwaitQuiet returns once no client has come with a Produce or Fetch for so long, or no connection is left, or ctx ends.
func (s *Server) AwaitQuiet(ctx context.Context, quiet time.Duration) {
	for s.Connections() > 0 && s.now().Sub(time.Unix(0, s.wanted.Load())) < quiet {
		if pause.For(ctx, lookEvery) != nil {
			return
		}
	}
}

// sendAway answers every partition of a Fetch with where not to ask.
func sendAway(n int) []fetchAnswer {
	answers := make([]fetchAnswer, n)
	for i := range answers {
		answers[i] = fetchAnswer{code: kerr.NotLeaderForPartition.Code, high: -1, stable: -1, start: -1, preferred: -1}
	}
	return answers
}
