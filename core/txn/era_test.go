package txn

import (
	"context"
	"strconv"
	"testing"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/coordination/memory"
)

// rebuilding is an etcd that is lost, and restored as a new era, after the first Get was answered.
type rebuilding struct {
	coordination.KV
	format []byte
	then   func()
}

func (r *rebuilding) FormatValue() []byte { return r.format }

func (r *rebuilding) Get(ctx context.Context, keys ...string) (coordination.Snapshot, error) {
	snap, err := r.KV.Get(ctx, keys...)
	if then := r.then; then != nil {
		r.then = nil
		then()
	}
	return snap, err
}

// A restore leaves out many ids, since blocks may be in use of which it does not know. A block that was read before it, at the revision
// that the restored key happens to have, would turn that back.
func TestNextProducerID_ABlockReadInOneEraIsNotTakenInAnother(t *testing.T) {
	put := func(kv coordination.KV, key string, value []byte) {
		if _, err := kv.Commit(t.Context(), nil, []coordination.Change{coordination.PutKey(key, value)}); err != nil {
			t.Fatal(err)
		}
	}
	old, restored := newKV(t), memory.New(memory.Settings{})
	put(old, keys.ProducersNext(), []byte("100"))
	etcd := &rebuilding{KV: old, format: []byte("f")}
	etcd.then = func() {
		put(restored, keys.Format(), []byte("g"))
		put(restored, keys.ProducersNext(), []byte("5000000"))
		etcd.KV, etcd.format = restored, []byte("g")
	}
	id, err := NewProducerIDs(etcd, keys, etcd).NextProducerID(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	snap, err := restored.Get(t.Context(), keys.ProducersNext())
	if err != nil {
		t.Fatal(err)
	}
	if next, err := strconv.Atoi(string(snap.Items[0].Value)); err != nil || next < 5000000 || id < 5000000 {
		t.Errorf("id %d, next %d, %v: the ids that the restore had left out are handed out", id, next, err)
	}
}
