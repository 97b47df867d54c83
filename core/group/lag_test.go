package group

import (
	"context"
	"fmt"
	"testing"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/record"
)

// A consumer that commits with transactions alone has its offsets written by whoever ends them, past its group's coordinator.
func TestLag_CountsOffsetsThatTransactionsCommitted(t *testing.T) {
	inHall(t, func(h *hall) {
		d := h.desk(1)
		h.is(h.commit(d, "g", CommitCheck{Generation: -1}, 10), nil)
		err := d.CommitPending(h.Context(), "g", PendingRequest{
			CommitCheck: CommitCheck{Generation: -1}, Transaction: "x",
			Topics: []CommitTopic{{Name: "a", ID: h.AllTopics()[0].ID, Partitions: map[int32]Committed{0: {Offset: 42}}}},
			Join:   func(context.Context) ([]coordination.Guard, []coordination.Change, error) { return nil, nil, nil },
		})
		h.is(err, nil)
		guards, changes, err := d.SettlePending(h.Context(), "g", "x", true)
		h.is(err, nil)
		if res, err := h.store.Commit(h.Context(), guards, changes); err != nil || !res.Committed {
			t.Fatalf("end: %v, %v", res.Committed, err)
		}
		want := func(lag string) {
			t.Helper()
			h.is(d.readCold(h.Context()), nil)
			got := ""
			d.EachLag(func(record.TopicPartition) (record.Offset, bool) { return 50, true }, func(group, topic string, lag int64) { got += fmt.Sprint(group, topic, lag) })
			if got != lag {
				t.Errorf("lag %q, want %q", got, lag)
			}
		}
		want("ga8")
		h.is(h.commit(d, "g", CommitCheck{Generation: -1}, 45), nil)
		want("ga5")
	})
}
