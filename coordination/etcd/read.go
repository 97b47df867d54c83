package etcd

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/firnlog/firnlog/coordination"
)

// Get implements coordination.KV: one read-only transaction, which etcd evaluates at one
// revision and linearizably.
func (kv *KV) Get(ctx context.Context, keys ...string) (coordination.Snapshot, error) {
	if err := coordination.CheckCommit(nil, nil, keys); err != nil {
		return coordination.Snapshot{}, fmt.Errorf("get %d keys: %w", len(keys), err)
	}
	var snap coordination.Snapshot
	err := kv.read(ctx, func(ctx context.Context) error {
		resp, err := kv.client.Txn(ctx).Then(gets(keys)...).Commit()
		if err == nil {
			snap = coordination.Snapshot{Revision: coordination.Revision(resp.Header.Revision), Items: items(keys, resp)}
		}
		return err
	})
	if err != nil {
		return coordination.Snapshot{}, fmt.Errorf("get %d keys: %w", len(keys), err)
	}
	return snap, nil
}

// gets reads keys; without keys it still reads, since etcd takes a transaction without any
// operation for one that may be answered from an old state.
func gets(keys []string) []clientv3.Op {
	if len(keys) == 0 {
		return []clientv3.Op{clientv3.OpGet("\x00", clientv3.WithCountOnly())}
	}
	ops := make([]clientv3.Op, len(keys))
	for i, key := range keys {
		ops[i] = clientv3.OpGet(key)
	}
	return ops
}

// items takes the answers of gets(keys).
func items(keys []string, resp *clientv3.TxnResponse) []coordination.Item {
	list := make([]coordination.Item, len(keys))
	for i, key := range keys {
		list[i].Key = key
		if kvs := resp.Responses[i].GetResponseRange().GetKvs(); len(kvs) > 0 {
			list[i] = item(kvs[0])
		}
	}
	return list
}

func item(kv *mvccpb.KeyValue) coordination.Item {
	return coordination.Item{
		Key:    string(kv.Key),
		Value:  present(kv.Value),
		Create: coordination.Revision(kv.CreateRevision),
		Mod:    coordination.Revision(kv.ModRevision),
		Lease:  coordination.LeaseID(kv.Lease),
	}
}

// present gives the value of a key that is there: the encoding has nil for an empty one.
func present(value []byte) []byte {
	if value == nil {
		return []byte{}
	}
	return value
}

// List implements coordination.KV. At a given revision any member's answer is the same: it
// needs no agreement among them.
func (kv *KV) List(ctx context.Context, r coordination.Range) (coordination.Page, error) {
	from, opts := rangeOptions(r)
	var page coordination.Page
	err := kv.read(ctx, func(ctx context.Context) error {
		resp, err := kv.client.Get(ctx, from, opts...)
		if err != nil {
			return err
		}
		page = coordination.Page{Revision: r.At, More: resp.More, Items: make([]coordination.Item, len(resp.Kvs))}
		if r.At == 0 {
			page.Revision = coordination.Revision(resp.Header.Revision)
		}
		for i, kv := range resp.Kvs {
			page.Items[i] = item(kv)
		}
		return nil
	})
	if err != nil {
		return coordination.Page{}, fmt.Errorf("list %q at %d: %w", r.Prefix, r.At, err)
	}
	return page, nil
}

// Read implements coordination.KV: one read-only transaction.
func (kv *KV) Read(ctx context.Context, ranges ...coordination.Range) ([]coordination.Page, error) {
	if err := coordination.CheckRead(ranges); err != nil {
		return nil, err
	}
	ops := make([]clientv3.Op, len(ranges))
	for i, r := range ranges {
		from, opts := rangeOptions(r)
		ops[i] = clientv3.OpGet(from, opts...)
	}
	var pages []coordination.Page
	err := kv.read(ctx, func(ctx context.Context) error {
		resp, err := kv.client.Txn(ctx).Then(ops...).Commit()
		if err != nil {
			return err
		}
		pages = make([]coordination.Page, len(ranges))
		for i, r := range ranges {
			got := resp.Responses[i].GetResponseRange()
			pages[i] = coordination.Page{Revision: r.At, More: got.More, Items: make([]coordination.Item, len(got.Kvs))}
			if r.At == 0 {
				pages[i].Revision = coordination.Revision(resp.Header.Revision)
			}
			for k, kv := range got.Kvs {
				pages[i].Items[k] = item(kv)
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read %d ranges at %d: %w", len(ranges), ranges[0].At, err)
	}
	return pages, nil
}

func rangeOptions(r coordination.Range) (from string, opts []clientv3.OpOption) {
	from, end := below(r.Prefix)
	if r.After >= from {
		from = r.After + "\x00"
	}
	opts = []clientv3.OpOption{clientv3.WithRange(end), clientv3.WithLimit(int64(r.Limit))}
	if r.At > 0 {
		opts = append(opts, clientv3.WithRev(int64(r.At)), clientv3.WithSerializable())
	}
	if r.MinCreate > 0 {
		opts = append(opts, clientv3.WithMinCreateRev(int64(r.MinCreate)))
	}
	if r.KeysOnly {
		opts = append(opts, clientv3.WithKeysOnly())
	}
	return from, opts
}

// below gives the range of keys that begin with prefix, as etcd wants it.
func below(prefix string) (from, end string) {
	if prefix == "" {
		return "\x00", "\x00" // all keys
	}
	return prefix, clientv3.GetPrefixRangeEnd(prefix)
}

// retryPause is between two tries of a read.
const retryPause = 25 * time.Millisecond

// read makes a request that changes nothing, again and again while its time lasts: a connection
// that broke or a member that stops need not be seen by the caller.
func (kv *KV) read(ctx context.Context, call func(context.Context) error) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%w: %w", coordination.ErrUnavailable, err)
	}
	rctx, cancel := kv.request(ctx)
	defer cancel()
	for {
		err := call(rctx)
		if err == nil {
			return nil
		}
		if !transient(err) {
			return join(ctx, readClass(err), kv.explain(err))
		}
		select {
		case <-rctx.Done():
			return join(ctx, coordination.ErrUnavailable, err)
		case <-time.After(retryPause):
		}
	}
}

func transient(err error) bool {
	var own rpctypes.EtcdError
	if errors.As(err, &own) {
		return own.Code() == codes.Unavailable
	}
	return status.Code(err) == codes.Unavailable
}
