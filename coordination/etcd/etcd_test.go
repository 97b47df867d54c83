package etcd

import (
	"context"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/coordination/kvtest"
	"github.com/firnlog/firnlog/localstack/etcd"
)

func start(t *testing.T, settings etcd.Settings) *etcd.Server {
	t.Helper()
	if settings.Dir == "" {
		settings.Dir = t.TempDir()
	}
	settings.UnsafeNoFsync = true
	s, err := etcd.Start(t.Context(), settings)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func dial(t *testing.T, settings Settings) *KV {
	t.Helper()
	kv, err := Dial(settings)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := kv.Close(); err != nil {
			t.Error(err)
		}
	})
	return kv
}

// compacting adds what the suite needs to test compaction.
type compacting struct{ *KV }

func (kv compacting) Compact(ctx context.Context, rev coordination.Revision) error {
	_, err := kv.client.Compact(ctx, int64(rev), clientv3.WithCompactPhysical())
	return err
}

func TestConformance(t *testing.T) {
	endpoints := start(t, etcd.Settings{}).Endpoints()
	kvtest.Run(t, func(t *testing.T) coordination.KV {
		return compacting{dial(t, Settings{Endpoints: endpoints})}
	})
}
