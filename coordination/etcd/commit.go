package etcd

import (
	"context"
	"fmt"
	"sync/atomic"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/firnlog/firnlog/coordination"
)

// Commit implements coordination.KV: one transaction, sent once.
func (kv *KV) Commit(ctx context.Context, guards []coordination.Guard, changes []coordination.Change, orElse ...string) (coordination.Result, error) {
	if err := coordination.CheckCommit(guards, changes, orElse); err != nil {
		return coordination.Result{}, fmt.Errorf("commit: %w", err)
	}
	if err := ctx.Err(); err != nil {
		return coordination.Result{}, fmt.Errorf("commit: %w: %w", coordination.ErrUnavailable, err)
	}
	cmps := make([]clientv3.Cmp, len(guards))
	for i, g := range guards {
		var err error
		if cmps[i], err = compare(g); err != nil {
			return coordination.Result{}, fmt.Errorf("commit: %w", err)
		}
	}
	then := make([]clientv3.Op, len(changes))
	for i, c := range changes {
		then[i] = change(c)
	}
	if len(changes) == 0 {
		then = gets(nil)
	}
	var otherwise []clientv3.Op
	if len(orElse) > 0 {
		otherwise = gets(orElse)
	}

	var sent atomic.Bool
	rctx, cancel := kv.request(withSent(ctx, &sent))
	defer cancel()
	resp, err := kv.client.Txn(rctx).If(cmps...).Then(then...).Else(otherwise...).Commit()
	if err != nil {
		return coordination.Result{}, fmt.Errorf("commit: %w", join(ctx, commitClass(err, sent.Load()), kv.explain(err)))
	}
	res := coordination.Result{Committed: resp.Succeeded, Revision: coordination.Revision(resp.Header.Revision)}
	if !resp.Succeeded && len(orElse) > 0 {
		res.Else = items(orElse, resp)
	}
	return res, nil
}

func compare(g coordination.Guard) (clientv3.Cmp, error) {
	switch g.Kind {
	case coordination.GuardMissing:
		return clientv3.Compare(clientv3.CreateRevision(g.Key), "=", 0), nil
	case coordination.GuardMod:
		return clientv3.Compare(clientv3.ModRevision(g.Key), "=", int64(g.Rev)), nil
	case coordination.GuardCreate:
		return clientv3.Compare(clientv3.CreateRevision(g.Key), "=", int64(g.Rev)), nil
	case coordination.GuardValue:
		return clientv3.Compare(clientv3.Value(g.Key), "=", string(g.Val)), nil
	case coordination.GuardValueBelow:
		return clientv3.Compare(clientv3.Value(g.Key), "<", string(g.Val)), nil
	default:
		return clientv3.Cmp{}, fmt.Errorf("guard of %q: %w: kind %d", g.Key, coordination.ErrInvalid, g.Kind)
	}
}

func change(c coordination.Change) clientv3.Op {
	switch {
	case c.Value != nil && c.Lease != 0:
		return clientv3.OpPut(c.Key, string(c.Value), clientv3.WithLease(clientv3.LeaseID(c.Lease)))
	case c.Value != nil:
		return clientv3.OpPut(c.Key, string(c.Value))
	case c.Prefix:
		return clientv3.OpDelete(c.Key, clientv3.WithPrefix())
	default:
		return clientv3.OpDelete(c.Key)
	}
}
