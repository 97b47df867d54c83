package wire

import (
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// Each look waits for a barrier, and one barrier serves all who ask before it starts: so the partitions of a request must ask together.
func TestListOffsets_AllPartitionsOfARequestShareABarrier(t *testing.T) {
	b, c, _ := filled(t)
	const count = 3
	var asked sync.WaitGroup
	asked.Add(count)
	b.logs.looking = func() {
		asked.Done()
		together := make(chan struct{})
		go func() { asked.Wait(); close(together) }()
		select {
		case <-together:
		case <-time.After(10 * time.Second):
			t.Error("a partition is looked at only when the one before it was")
		}
	}
	req := listOf(8, "a", 0, -1)
	for n := int32(1); n < count; n++ {
		req.Topics[0].Partitions = append(req.Topics[0].Partitions, listOf(8, "a", n, -1).Topics[0].Partitions...)
	}
	answer := ask[*kmsg.ListOffsetsResponse](c, req).Topics[0].Partitions
	for n, want := range []int64{2, 0, 0} {
		if p := answer[n]; p.Partition != int32(n) || p.ErrorCode != 0 || p.Offset != want {
			t.Errorf("partition %d: %+v, want offset %d", n, p, want)
		}
	}
}
