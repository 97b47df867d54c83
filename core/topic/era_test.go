package topic

import (
	"context"
	"testing"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/coordination/memory"
	"github.com/firnlog/firnlog/core/ledger"
)

// rebuilding is an etcd that is lost, and restored as a new era, after the first Get was answered.
type rebuilding struct {
	coordination.KV
	then func()
}

func (r *rebuilding) Get(ctx context.Context, keys ...string) (coordination.Snapshot, error) {
	snap, err := r.KV.Get(ctx, keys...)
	if then := r.then; then != nil {
		r.then = nil
		then()
	}
	return snap, err
}

// Revisions begin anew in an etcd that was rebuilt: the topic there may have the very mod revision that it had when it was read in the
// old one, and be another.
func TestSetConfigs_ATopicReadInOneEraIsNotWrittenInAnother(t *testing.T) {
	c := newCluster(t)
	c.mustCreate(t, "t")
	lost := c.stored(t, "t")
	etcd := &rebuilding{KV: c.kv.KV}
	c.kv.KV = etcd
	etcd.then = func() {
		store := memory.New(memory.Settings{})
		restored := ledger.Topic{Name: "t", ID: c.draw(), Partitions: 7}
		c.view.format = []byte(`{"version":1,"era":"new"}`)
		for _, change := range []coordination.Change{coordination.PutKey(c.keys.Format(), c.view.format), coordination.PutKey(c.keys.Topic("t"), restored.Encode())} {
			if _, err := store.Commit(t.Context(), nil, []coordination.Change{change}); err != nil {
				t.Fatal(err)
			}
		}
		etcd.KV, c.view.kv = store, store
	}
	if _, err := c.SetConfigs(t.Context(), "t", []Change{{Key: "retention.ms", Value: "1000"}}, false, false); err != nil {
		t.Fatal(err)
	}
	now := c.stored(t, "t")
	if now.ID == lost.ID || now.Partitions != 7 || now.Configs["retention.ms"] != "1000" {
		t.Errorf("topic %v with %d partitions and %v: what was read in the old era (%v) was written over what was restored", now.ID, now.Partitions, now.Configs, lost.ID)
	}
}
