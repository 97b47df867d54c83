package fsck_test

import (
	"testing"
	"time"

	"github.com/firnlog/firnlog/core/amend"
	"github.com/firnlog/firnlog/core/archive"
	"github.com/firnlog/firnlog/core/compact"
	"github.com/firnlog/firnlog/core/coretest"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/topic"
)

// TestCheck_AcceptsATopicThatWasCompactedOnce: what log compaction has left of aborted transactions stays as it is when the topic is
// compacted no longer.
func TestCheck_AcceptsATopicThatWasCompactedOnce(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		for range 3 {
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
		compacted := map[string]string{topic.CleanupPolicy: "compact", topic.MinCleanableRatio: "0", topic.SegmentMs: "1"}
		for _, configs := range []map[string]string{compacted, nil} {
			f.Put(f.Keys.Topic("t"), (&ledger.Topic{ID: f.topic, Partitions: 5, Configs: configs}).Encode())
			f.a.Barrier()
			f.do(compact.New(s).Run)
			if r := f.check(true); r.Harm() {
				t.Errorf("configs %v: %+v", configs, r.Errors())
			}
		}
		if groups < 3 {
			t.Errorf("only %d swaps", groups)
		}
	})
}
