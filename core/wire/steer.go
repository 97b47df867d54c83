package wire

import (
	"context"
	"errors"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/firnlog/firnlog/core/pause"
)

// A server that is about to be shut down sends its clients away first:
//
//	Steer      waits for new records end; every Produce and Fetch is answered NOT_LEADER_OR_FOLLOWER, which Java, librdkafka and
//	           franz-go take as what it is in Kafka's own restarts: they ask for metadata, and send the same again to the leader
//	           that it names. Nothing of a Produce that was answered so was handed on, so it cannot be there twice
//	AwaitQuiet until they have gone
//	Shutdown   closes what connections are left
//
// All other requests are served as before: Metadata must be. A connection's Produce requests are refused from one on and never again
// taken, so that no batch overtakes another. Without acknowledgement there is nobody to tell; those are taken to the end.
//
// Rejected: the leader in the answer (KIP-951). Clients follow it only with a higher leader epoch, and there is but one here; franz-go
// takes one with the same epoch as a sign that it need not look.

// errSteered: clients shall go to another instance. Nothing was done.
var errSteered = errors.New("this instance leaves: another one takes the partition")

// Steer sends clients away from here on. Metadata must not name this instance any more.
func (s *Server) Steer() {
	s.steering.Store(true)
	s.wanted.Store(s.now().UnixNano())
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

// steered says that this Produce or Fetch is to be sent away, and notes that one came.
func (s *Server) steered() bool {
	if !s.steering.Load() {
		return false
	}
	s.wanted.Store(s.now().UnixNano())
	return true
}

// AwaitQuiet returns once no client has come with a Produce or Fetch for so long, or no connection is left, or ctx ends.
func (s *Server) AwaitQuiet(ctx context.Context, quiet time.Duration) {
	const look = 20 * time.Millisecond
	for s.Connections() > 0 && s.now().Sub(time.Unix(0, s.wanted.Load())) < quiet {
		if pause.For(ctx, look) != nil {
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
