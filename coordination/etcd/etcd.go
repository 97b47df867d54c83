// Package etcd is coordination.KV on a real etcd, over go.etcd.io/etcd/client/v3.
//
// Owns: the connection, and the translation of requests, answers and above all errors: what the
// client library and gRPC report is told apart into "nothing happened" and "nobody knows"
// (errors.go). docs/decisions/coordination.md says why it is as it is.
//
// Does not own: keys and values, and retries of commits: only who made one knows what its
// retry means.
package etcd

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"

	"github.com/firnlog/firnlog/coordination"
)

// Settings of a connection. Only Endpoints must be given.
type Settings struct {
	Endpoints []string // HOST:PORT each
	TLS       *tls.Config
	// Username and Password of etcd's own authentication; empty: none.
	Username, Password string
	// RequestTimeout bounds each request, and the opening of a watch; 0 is 5 s. A
	// caller's shorter deadline holds as well.
	RequestTimeout time.Duration
}

const (
	requestTimeoutDefault = 5 * time.Second
	keepaliveTime         = 10 * time.Second // etcd refuses clients below 5 s
	keepaliveTimeout      = 3 * time.Second
	// sendBytesMax leaves room above what a Commit may hold, so that our own check is the
	// one that refuses.
	sendBytesMax = coordination.CommitBytesMax + 512<<10
	// recvBytesMax: a page that cannot be received would never be received. Callers
	// bound it by Range.Limit.
	recvBytesMax = 1<<31 - 1
)

// KV is a connection. Make it with Dial; Close it in the end.
type KV struct {
	client  *clientv3.Client
	timeout time.Duration
	tls     *tls.Config // nil: plain text
}

// Dial makes a KV. It does not wait for a connection: that is made with the first request, and
// again whenever it broke.
func Dial(settings Settings) (*KV, error) {
	if len(settings.Endpoints) == 0 {
		return nil, errors.New("dial etcd: no endpoints: give HOST:PORT of each member")
	}
	client, err := clientv3.New(clientv3.Config{
		Endpoints:            settings.Endpoints,
		TLS:                  settings.TLS,
		Username:             settings.Username,
		Password:             settings.Password,
		DialKeepAliveTime:    keepaliveTime,
		DialKeepAliveTimeout: keepaliveTimeout,
		MaxCallSendMsgSize:   sendBytesMax,
		MaxCallRecvMsgSize:   recvBytesMax,
		// One try each: the library would send a write a second time after an answer
		// of DeadlineExceeded that is not our own deadline's, and a
		// compare-and-swap would then lose against itself.
		MaxUnaryRetries: 1,
		Logger:          zap.NewNop(),
		DialOptions: []grpc.DialOption{
			grpc.WithStatsHandler(sendWatcher{}),
			grpc.WithConnectParams(reconnect()),
		},
	})
	if err != nil {
		return nil, fmt.Errorf("dial etcd: %w", err)
	}
	kv := &KV{client: client, timeout: settings.RequestTimeout, tls: settings.TLS}
	if kv.timeout == 0 {
		kv.timeout = requestTimeoutDefault
	}
	return kv, nil
}

// reconnect tries again soon after an outage: gRPC's own default waits up to two minutes.
func reconnect() grpc.ConnectParams {
	return grpc.ConnectParams{
		Backoff:           backoff.Config{BaseDelay: 50 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: 2 * time.Second},
		MinConnectTimeout: 5 * time.Second,
	}
}

// Close ends the connection, and with it all watches.
func (kv *KV) Close() error {
	if err := kv.client.Close(); err != nil && !errors.Is(err, context.Canceled) {
		return fmt.Errorf("close etcd client: %w", err)
	}
	return nil
}

// request gives the context of one request. A member without a leader answers at once instead
// of letting it wait.
func (kv *KV) request(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(clientv3.WithRequireLeader(ctx), kv.timeout)
}
