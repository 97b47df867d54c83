package amend_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/amend"
	"github.com/firnlog/firnlog/core/archive"
	"github.com/firnlog/firnlog/core/coretest"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/manifest"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/reference"
	"github.com/firnlog/firnlog/core/upkeep"
)

// I8: objects that a manifest lists anew count for the floor as its root and pages do. Log compaction and chill put them before, and may be
// paused until sweep has judged them; root and pages get their ids only then.
func TestAmend_AnObjectThatTheFloorHasPassedIsNotReferredTo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := coretest.NewCluster(t)
		tp := record.TopicPartition{Topic: c.CreateTopic("t", 1)}
		a := c.Instance("a", coretest.Options{Upkeep: func(s *upkeep.Settings) { s.CheckpointAge = 0 }}).Ready()
		a.MustProduce(coretest.Plain(tp, "x"))
		a.Upkeep.Observe()
		if err := a.Upkeep.Checkpoint(t.Context()); err != nil {
			t.Fatal(err)
		}
		var spans []ledger.Span
		a.View(func(l *ledger.Ledger) { spans = l.Partition(tp).Stored() })
		id, err := a.Stream.NewID()
		if err != nil || len(spans) != 1 {
			t.Fatal(err, spans)
		}
		time.Sleep(time.Minute)
		c.Put(c.Keys.Stamp(), coordination.Mark(time.Now().UnixMilli()).Bytes())
		c.Put(c.Keys.Floor(), coordination.MarkOf(id).Bytes())
		a.Barrier()
		entry := manifest.Entry{Span: spans[0]}
		entry.Segment, entry.Place, entry.Revision = id, ledger.InOwn, 0
		amender := amend.New(a.Store, archive.New(a.Store, archive.BytesMax), a.Stream, a.KV, c.Keys)
		out, err := amender.Amend(t.Context(), amend.Amendment{Partition: tp, Remove: spans, Objects: []ulid.ULID{id},
			Edit: func(root *manifest.Root, p manifest.Pager) (manifest.Change, error) {
				return root.Append([]manifest.Entry{entry}, nil, p)
			}})
		if err != nil || out != reference.Late {
			t.Errorf("%v, %v, want it refused as late", out, err)
		}
		a.Barrier()
		a.View(func(l *ledger.Ledger) {
			if m := l.Partition(tp).Manifest(); m != nil {
				t.Errorf("the head refers to manifest %s", m.ID)
			}
		})
	})
}
