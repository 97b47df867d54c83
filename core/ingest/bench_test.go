package ingest

import (
	"testing"
	"time"

	"github.com/firnlog/firnlog/core/record"
)

// gathered puts a segment's worth of batches of 12 partitions, 24 of each request, into the batcher and seals it.
func gathered(tb testing.TB, g *Ingest, batches int, one []byte) *flush {
	tb.Helper()
	var p *Pending
	for i := range batches {
		if i%24 == 0 {
			p = newPending(24)
		}
		h, err := record.Validate(one, record.Limits{})
		if err != nil {
			tb.Fatal(err)
		}
		g.mu.batcher.Add(item{pending: p, index: i % 24, partition: record.TopicPartition{Partition: int32(i % 12)}, batch: one, keeps: int64(24 * len(one)), appendMs: -1, entry: entryOf(h)}, time.Time{})
	}
	f := g.take()
	if f.err != nil {
		tb.Fatal(f.err)
	}
	if f.runs = runsOf(f.items, f.sealed); len(f.runs) != 12 || f.keeps() < f.size-1<<10 {
		tb.Fatalf("%d runs that keep %d of %d bytes", len(f.runs), f.keeps(), f.size)
	}
	return f
}

func anIngest(tb testing.TB, bytes int) (*Ingest, []byte) {
	tb.Helper()
	one, err := record.NewBatch(record.Settings{}).Append(1, nil, make([]byte, bytes)).Seal()
	if err != nil {
		tb.Fatal(err)
	}
	return New(Settings{Now: time.Now, SegmentBytes: 1 << 30, MemoryMax: 1 << 30, UploadsMax: 1}), one
}

// BenchmarkHotFlush is what the write path does with 240 batches of 32 KiB between their frames and the store: check, gather, seal,
// and name them in the commit.
func BenchmarkHotFlush(b *testing.B) {
	g, one := anIngest(b, 32<<10)
	b.SetBytes(int64(240 * len(one)))
	b.ReportAllocs()
	for b.Loop() {
		gathered(b, g, 240, one)
	}
}

// TestFlush_AllocatesNothingForTheBytesOfBatches: they go from the frame to the store as they are.
func TestFlush_AllocatesNothingForTheBytesOfBatches(t *testing.T) {
	count := func(bytes int) float64 {
		g, one := anIngest(t, bytes)
		return testing.AllocsPerRun(20, func() { gathered(t, g, 240, one) })
	}
	if small, large := count(100), count(64<<10); large > small {
		t.Errorf("%v allocations for batches of 100 bytes, %v for batches of 64 KiB", small, large)
	}
}
