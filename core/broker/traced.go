package broker

import (
	"context"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/tracing"
	"github.com/firnlog/firnlog/objectstore"
)

// tracedStore makes a span of each request to the store that belongs to a span. What maintenance asks belongs to none.
type tracedStore struct {
	objectstore.Store
	trace tracing.Trace
}

func (s tracedStore) start(ctx context.Context, op objectstore.Op) (context.Context, tracing.Span) {
	if s.trace.Here(ctx) == nil {
		return ctx, tracing.Span{}
	}
	return s.trace.Start(ctx, tracing.Client, "store "+op.String())
}

// Put is Store's.
func (s tracedStore) Put(ctx context.Context, key string, body ...[]byte) error {
	ctx, span := s.start(ctx, objectstore.OpPut)
	defer span.End()
	err := s.Store.Put(ctx, key, body...)
	span.Text("firnlog.object", key)
	span.Fail(err)
	return err
}

// Get is Store's.
func (s tracedStore) Get(ctx context.Context, key string, offset, length int64) ([]byte, error) {
	ctx, span := s.start(ctx, objectstore.OpGet)
	defer span.End()
	data, err := s.Store.Get(ctx, key, offset, length)
	span.Text("firnlog.object", key)
	span.Number("firnlog.bytes", int64(len(data)))
	if err != nil && objectstore.Overtaken(ctx) {
		span.Text("firnlog.outcome", "overtaken by a second GET")
		return data, err
	}
	span.Fail(err)
	return data, err
}

// List is Store's.
func (s tracedStore) List(ctx context.Context, prefix, after string, limit int) ([]objectstore.Info, error) {
	ctx, span := s.start(ctx, objectstore.OpList)
	defer span.End()
	infos, err := s.Store.List(ctx, prefix, after, limit)
	span.Fail(err)
	return infos, err
}

// tracedKV does so with what etcd is asked: reads and transactions.
type tracedKV struct {
	coordination.KV
	trace tracing.Trace
}

func (k tracedKV) start(ctx context.Context, op coordination.Op) (context.Context, tracing.Span) {
	if k.trace.Here(ctx) == nil {
		return ctx, tracing.Span{}
	}
	return k.trace.Start(ctx, tracing.Client, "etcd "+op.String())
}

// Get is KV's.
func (k tracedKV) Get(ctx context.Context, keys ...string) (coordination.Snapshot, error) {
	ctx, span := k.start(ctx, coordination.OpGet)
	defer span.End()
	snap, err := k.KV.Get(ctx, keys...)
	span.Fail(err)
	return snap, err
}

// List is KV's.
func (k tracedKV) List(ctx context.Context, r coordination.Range) (coordination.Page, error) {
	ctx, span := k.start(ctx, coordination.OpList)
	defer span.End()
	page, err := k.KV.List(ctx, r)
	span.Fail(err)
	return page, err
}

// Commit is KV's.
func (k tracedKV) Commit(ctx context.Context, guards []coordination.Guard, changes []coordination.Change, orElse ...string) (coordination.Result, error) {
	ctx, span := k.start(ctx, coordination.OpCommit)
	defer span.End()
	res, err := k.KV.Commit(ctx, guards, changes, orElse...)
	if err == nil && !res.Committed {
		span.Text("firnlog.outcome", "refused by a guard")
	}
	span.Fail(err)
	return res, err
}
