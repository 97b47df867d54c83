package ledger

import (
	"testing"

	"github.com/firnlog/firnlog/coordination"
)

// BenchmarkHotFold folds a commit of 100 partitions, an idempotent batch in each: what every instance does with every commit of
// the cluster.
func BenchmarkHotFold(b *testing.B) {
	const partitions = 100
	w := newWorld(b)
	w.createTopic("a", topicA, partitions)
	c := &Commit{Segments: []SegmentRef{{ID: id(1), Size: 1 << 20}}}
	for p := range int32(partitions) {
		c.Runs = append(c.Runs, Run{Partition: part(topicA, p), Position: int64(p) * 100, Entries: []Entry{plain(1)}})
	}
	value, rev := c.Encode(), w.rev
	key := keys.Commit(id(1))
	b.ReportAllocs()
	for b.Loop() {
		rev++
		if err := w.live.Apply(rev, []coordination.Event{{Key: key, Value: value, Create: rev, Revision: rev}}, Observer{}); err != nil {
			b.Fatal(err)
		}
	}
}
