package fsck_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/firnlog/firnlog/core/amend"
	"github.com/firnlog/firnlog/core/archive"
	"github.com/firnlog/firnlog/core/compact"
	"github.com/firnlog/firnlog/core/coretest"
	"github.com/firnlog/firnlog/core/ingest"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/topic"
)

// TestCheck_AcceptsATopicThatWasCompactedOnce: what log compaction has left of aborted transactions stays as it is when the topic is
// compacted no longer. With few keys at a time a walk ends within an object, which it has rewritten as a whole.
func TestCheck_AcceptsATopicThatWasCompactedOnce(t *testing.T) {
	t.Run("to the end", func(t *testing.T) {
		compactedOnce(t, func(*compact.Settings) {}, func(ctx context.Context, c *compact.Compactor) error { return c.Run(ctx) })
	})
	t.Run("a few keys", func(t *testing.T) {
		compactedOnce(t, func(s *compact.Settings) { s.KeysBytes, s.Bytes = 24*2, 1 }, func(ctx context.Context, c *compact.Compactor) (err error) {
			for range 3 {
				if _, err = c.Step(ctx); err != nil {
					break
				}
			}
			return err
		})
	})
}

func compactedOnce(t *testing.T, few func(*compact.Settings), run func(context.Context, *compact.Compactor) error) {
	bubble(t, func(t *testing.T, f *fixture) {
		for i := range 3 {
			f.keyed(f.tp(1), fmt.Sprint("a", i), fmt.Sprint("b", i))
			f.transaction(false)
		}
		f.checkpoint()
		time.Sleep(2 * time.Minute)
		f.do(f.settler.Run)
		archived := archive.New(f.a.Store, archive.BytesMax)
		s := compact.Settings{
			Store: f.a.Store, Stream: f.a.Stream, Archive: archived, Amender: amend.New(f.a.Store, archived, f.a.Stream, f.a.KV, f.Keys), Now: f.a.Now, Log: coretest.Quiet(),
		}.Defaults()
		groups := 0
		s.DirtyMin, s.Observe = 1, func(r compact.Report) { groups += r.Groups }
		few(&s)
		compacted := map[string]string{topic.CleanupPolicy: "compact", topic.MinCleanableRatio: "0", topic.SegmentMs: "1"}
		for _, configs := range []map[string]string{compacted, nil} {
			f.Put(f.Keys.Topic("t"), (&ledger.Topic{ID: f.topic, Partitions: 5, Configs: configs}).Encode())
			f.a.Barrier()
			f.do(func(ctx context.Context) error { return run(ctx, compact.New(s)) })
			if r := f.check(true); r.Harm() {
				t.Errorf("configs %v: %+v", configs, r.Errors())
			}
		}
		if groups < 3 {
			t.Errorf("only %d swaps", groups)
		}
	})
}

// keyed writes records with these keys, one batch each.
func (f *fixture) keyed(tp record.TopicPartition, keys ...string) {
	f.t.Helper()
	for _, key := range keys {
		b, err := record.NewBatch(record.Settings{}).Append(time.Now().UnixMilli(), []byte(key), []byte("of a key")).Seal()
		if err != nil {
			f.t.Fatal(err)
		}
		f.a.MustProduce(ingest.Incoming{Partition: tp, Batch: b})
	}
}
