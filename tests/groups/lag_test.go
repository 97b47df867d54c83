//go:build stack

package groups

import (
	"fmt"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/firnlog/firnlog/tests/stack/harness"
)

// The lag of a group is shown by one broker, and follows what is produced and committed.
func TestLag_IsShownByTheCoordinator(t *testing.T) {
	s := newStageOf(t, 2)
	s.topic("t", 2)
	admin := kadm.NewClient(s.admin)
	produce := func(n int) {
		t.Helper()
		for i := range n {
			if err := s.admin.ProduceSync(t.Context(), &kgo.Record{Topic: "t", Partition: int32(i % 2), Value: []byte("v")}).FirstErr(); err != nil {
				t.Fatal(err)
			}
		}
	}
	shown := func(want float64, brokers int) {
		t.Helper()
		harness.Await(t, settleMax, fmt.Sprint("a lag of ", want), func() error {
			var seen []float64
			for _, b := range s.brokers {
				if v, ok := b.Sample("firnlog_group_lag", `group="g"`, `topic="t"`); ok {
					seen = append(seen, v)
				}
			}
			if len(seen) != brokers || brokers == 1 && seen[0] != want {
				return fmt.Errorf("shown: %v", seen)
			}
			return nil
		})
	}
	commit := func(first, second int64) {
		t.Helper()
		offsets := kadm.Offsets{}
		offsets.AddOffset("t", 0, first, -1)
		offsets.AddOffset("t", 1, second, -1)
		if err := admin.CommitAllOffsets(t.Context(), "g", offsets); err != nil {
			t.Fatal(err)
		}
	}
	produce(100)
	commit(50, 10)
	shown(40, 1)
	produce(6)
	shown(46, 1)
	commit(53, 53)
	shown(0, 1)
	if _, err := admin.DeleteGroups(t.Context(), "g"); err != nil {
		t.Fatal(err)
	}
	shown(0, 0)
}
