//go:build stack

package stack_test

import (
	"context"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/coordination/etcd"
	"github.com/firnlog/firnlog/coordination/kvtest"
	"github.com/firnlog/firnlog/tests/stack/harness"
)

// compacting adds what the suite needs to test compaction.
type compacting struct {
	*etcd.KV
	client *clientv3.Client
}

func (kv compacting) Compact(ctx context.Context, rev coordination.Revision) error {
	_, err := kv.client.Compact(ctx, int64(rev), clientv3.WithCompactPhysical())
	return err
}

// The suite of coordination once more, against etcd as a process of its own.
func TestKV_ConformsOnAnEtcdProcess(t *testing.T) {
	server := harness.NewEtcd(t)
	server.Up()
	client, err := clientv3.New(clientv3.Config{Endpoints: []string{server.Endpoint}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	kvtest.Run(t, func(t *testing.T) coordination.KV {
		kv := server.KV()
		t.Cleanup(func() { kv.Close() })
		return compacting{kv, client}
	})
}
