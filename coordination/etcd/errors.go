package etcd

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/status"

	"github.com/firnlog/firnlog/coordination"
)

// The outcome of a commit that failed is known in two cases only:
//
//  1. Nothing of it was handed to a connection. gRPC tells that by an event (OutHeader) before
//     the first frame of a request is queued; sendWatcher notes it. No status code
//     tells it: DeadlineExceeded and Unavailable come before and after sending.
//  2. etcd answered with an error that it gives only before it proposes the request, or
//     before it applies anything of it.
//
// All else is unknown: also NOSPACE, which looks definite, but the member that finds the quota
// exceeded while it applies a transaction applies it and answers NOSPACE all the same.

type sentKey struct{}

// withSent gives a context whose request sets sent when it reaches a connection.
func withSent(ctx context.Context, sent *atomic.Bool) context.Context {
	return context.WithValue(ctx, sentKey{}, sent)
}

// sendWatcher is a stats.Handler that notes which requests reached a connection.
type sendWatcher struct{}

func (sendWatcher) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context { return ctx }

func (sendWatcher) HandleRPC(ctx context.Context, s stats.RPCStats) {
	if _, ok := s.(*stats.OutHeader); ok {
		if sent, ok := ctx.Value(sentKey{}).(*atomic.Bool); ok {
			sent.Store(true)
		}
	}
}

func (sendWatcher) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }

func (sendWatcher) HandleConn(context.Context, stats.ConnStats) {}

// is says that err is one of etcd's own errors.
func is(err error, targets ...error) bool {
	for _, target := range targets {
		if errors.Is(err, target) {
			return true
		}
	}
	return false
}

// finalClass is the class of errors that no repetition can turn; nil if err is another. etcd gives
// all of them before it applies anything.
func finalClass(err error) error {
	switch {
	case is(err, rpctypes.ErrTooManyOps, rpctypes.ErrRequestTooLarge):
		return coordination.ErrTooLarge
	case is(err, rpctypes.ErrEmptyKey, rpctypes.ErrDuplicateKey):
		return coordination.ErrInvalid
	case is(err, rpctypes.ErrLeaseNotFound):
		return coordination.ErrLeaseGone
	case is(err, rpctypes.ErrCompacted):
		return coordination.ErrCompacted
	default:
		return nil
	}
}

// commitClass is the class of a commit's error.
func commitClass(err error, sent bool) error {
	if class := finalClass(err); class != nil {
		return class
	}
	switch {
	case !sent,
		// From the interceptor and the checks before a proposal.
		is(err, rpctypes.ErrNoLeader, rpctypes.ErrTooManyRequests),
		status.Code(err) == codes.Unauthenticated || is(err, rpctypes.ErrInvalidAuthToken, rpctypes.ErrUserEmpty),
		is(err, rpctypes.ErrPermissionDenied, rpctypes.ErrNotCapable):
		return coordination.ErrUnavailable
	default:
		return coordination.ErrUnknown
	}
}

// readClass is the class of a read's error, or of another request that is harmless to repeat.
func readClass(err error) error {
	if class := finalClass(err); class != nil {
		return class
	}
	return coordination.ErrUnavailable
}

// join gives class with its cause, and with the end of the caller's context where that was it.
func join(ctx context.Context, class, err error) error {
	if end := ctx.Err(); end != nil && !errors.Is(err, end) {
		return fmt.Errorf("%w: %w: %w", class, end, err)
	}
	return fmt.Errorf("%w: %w", class, err)
}
