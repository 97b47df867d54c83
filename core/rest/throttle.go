package rest

import (
	"context"
	"fmt"
	"time"

	"github.com/firnlog/firnlog/core/auth"
	"github.com/firnlog/firnlog/core/quota"
)

// Quotas are those of the Kafka front end, and used together with it: bytes of batches, bytes of answers with records, partitions created and
// deleted, and time of requests that neither write nor read records (those are limited by bytes, and most of their time is waiting for a
// flush or for records). Clients over HTTP have no client id: to quotas it is empty. Who has to wait is told 429 with Retry-After, before anything is
// done; a stream of version 3 is not read until then.

// errThrottled: the client has used more than its quota.
type errThrottled struct {
	kind quota.Kind
	wait time.Duration
}

func (e *errThrottled) Error() string {
	return fmt.Sprintf("over the quota of %s: try again in %d s", e.kind, e.seconds())
}

func (e *errThrottled) seconds() int { return int((e.wait + time.Second - 1) / time.Second) }

func userOf(ctx context.Context) string { return auth.IdentityOf(ctx).Principal.Name }

// mayUse gives errThrottled while a client has to wait.
func (s *Server) mayUse(ctx context.Context, kind quota.Kind) error {
	if !s.backend.Quotas.On() {
		return nil
	}
	wait := s.backend.Quotas.Take(kind, userOf(ctx), "", 0)
	if wait <= 0 {
		return nil
	}
	if s.backend.Throttled != nil {
		s.backend.Throttled(kind.String(), wait)
	}
	return &errThrottled{kind, wait}
}

func (s *Server) mayProduce(ctx context.Context) error { return s.mayUse(ctx, quota.Produce) }

func (s *Server) mayMutate(ctx context.Context) error { return s.mayUse(ctx, quota.Mutation) }

// mutated notes partitions that were created or deleted.
func (s *Server) mutated(ctx context.Context, partitions int) {
	s.use(ctx, quota.Mutation, partitions)
}

// use notes what a client has used.
func (s *Server) use(ctx context.Context, kind quota.Kind, n int) {
	if s.backend.Quotas.On() {
		s.backend.Quotas.Take(kind, userOf(ctx), "", float64(n))
	}
}

// timed notes how long handling a request takes, without waiting for its body.
func (s *Server) timed(c *call, o *seen) (stop func()) {
	if !s.backend.Quotas.On() || c.route.carries {
		return func() {}
	}
	began := time.Now()
	return func() { s.backend.Quotas.Spent(userOf(c.ctx), "", max(time.Since(began)-o.reading, 0)) }
}

// patient waits until a client may produce again.
func (s *Server) patient(ctx context.Context) error {
	for s.backend.Quotas.On() {
		wait := s.backend.Quotas.Take(quota.Produce, userOf(ctx), "", 0)
		if wait <= 0 {
			return nil
		}
		if s.backend.Throttled != nil {
			s.backend.Throttled(quota.Produce.String(), wait)
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
	}
	return nil
}
