package etcd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc"

	"github.com/firnlog/firnlog/coordination"
)

// Grant implements coordination.KV. A lease whose answer was lost ends by itself.
func (kv *KV) Grant(ctx context.Context, ttl time.Duration) (coordination.Lease, error) {
	if ttl <= 0 {
		return nil, fmt.Errorf("grant lease of %v: %w", ttl, coordination.ErrInvalid)
	}
	seconds := int64((ttl + time.Second - 1) / time.Second)
	l := lease{kv: kv}
	err := kv.read(ctx, func(ctx context.Context) error {
		resp, err := kv.client.Grant(ctx, seconds)
		if err == nil {
			l.id = coordination.LeaseID(resp.ID)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("grant lease: %w", err)
	}
	return l, nil
}

// lease implements coordination.Lease. Nothing renews it in the background.
type lease struct {
	kv *KV
	id coordination.LeaseID
}

func (l lease) ID() coordination.LeaseID { return l.id }

// Renew sends one request on a stream of its own. (The library's KeepAliveOnce repeats it without a
// pause while a member has no leader.)
func (l lease) Renew(ctx context.Context) error {
	err := l.kv.read(ctx, func(ctx context.Context) error {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel() // ends the stream
		stream, err := etcdserverpb.NewLeaseClient(l.kv.client.ActiveConnection()).LeaseKeepAlive(ctx, grpc.WaitForReady(true))
		if err != nil {
			return rpctypes.Error(err)
		}
		if err := stream.Send(&etcdserverpb.LeaseKeepAliveRequest{ID: int64(l.id)}); err != nil && !errors.Is(err, io.EOF) {
			return rpctypes.Error(err)
		}
		resp, err := stream.Recv() // also gives the reason of an EOF from Send
		if err == nil && resp.TTL <= 0 {
			return rpctypes.ErrLeaseNotFound
		}
		return rpctypes.Error(err)
	})
	if err != nil {
		return fmt.Errorf("renew lease %d: %w", l.id, err)
	}
	return nil
}

func (l lease) Revoke(ctx context.Context) error {
	err := l.kv.read(ctx, func(ctx context.Context) error {
		_, err := l.kv.client.Revoke(ctx, clientv3.LeaseID(l.id))
		return err
	})
	if err != nil && !errors.Is(err, coordination.ErrLeaseGone) {
		return fmt.Errorf("revoke lease %d: %w", l.id, err)
	}
	return nil
}
