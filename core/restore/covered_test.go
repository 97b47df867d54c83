package restore_test

import (
	"testing"
	"time"

	"github.com/firnlog/firnlog/core/coretest"
	"github.com/firnlog/firnlog/core/ingest"
	"github.com/firnlog/firnlog/core/invoke"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/stream"
	"github.com/firnlog/firnlog/core/topic"
)

// What heads covered in the old era is a revision, and these begin anew: a function that believed it would leave out the new era's commits.
func TestRestore_WhatHeadsCoveredInTheOldEraCountsForNothing(t *testing.T) {
	bubble(t, func(t *testing.T, w *world, tp record.TopicPartition) {
		in := w.instance("a")
		for range 200 {
			in.MustProduce(coretest.Plain(tp, "x"))
		}
		w.maintain(in, in.Upkeep.Checkpoint, in.Upkeep.Trim)
		covered := w.Items(w.Keys.Covered())
		if len(covered) != 1 {
			t.Fatalf("%d keys say what is covered", len(covered))
		}
		w.backup()
		in.Stop()
		for n, left := range []bool{false, true} { // in etcd too
			w.lose()
			if left {
				w.Put(w.Keys.Covered(), covered[0].Value)
			}
			w.restore()
			if items := w.Items(w.Keys.Covered()); len(items) != 0 {
				t.Errorf("left over in etcd: %v: heads are said to cover all through revision %s", left, items[0].Value)
			}
			b := w.instance("b")
			b.MustProduce(coretest.Plain(tp, "y"))
			b.Stop()
			kv, store, entropy := w.Reach("f")
			e := invoke.New(invoke.Settings{Store: store, KV: kv, Cluster: "test", Now: time.Now, Entropy: entropy, Log: coretest.Quiet(), Margin: time.Second, CacheBytes: 1 << 20, Topics: topic.DefaultSettings()})
			ctx, done, err := e.Begin(t.Context(), stream.Need{Topics: []string{"t"}})
			if err != nil {
				t.Fatal(err)
			}
			if out := e.Ingest.Add(ctx, []ingest.Incoming{coretest.Plain(tp, "z")}).Wait(ctx)[0]; out.Err != nil || out.Base != record.Offset(201+2*n) {
				t.Errorf("a function's record has offset %d, %v, want %d", out.Base, out.Err, 201+2*n)
			}
			e.End()
			done()
		}
	})
}
