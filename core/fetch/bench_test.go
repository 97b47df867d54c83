package fetch

import (
	"io"
	"log/slog"
	"runtime"
	"testing"

	"github.com/firnlog/firnlog/core/cache"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/record"
)

// loadedPlans are of partitions whose batches, each of a record of so many bytes, lie in one segment that is here.
func loadedPlans(tb testing.TB, partitions, batches, bytes int) []plan {
	tb.Helper()
	one, err := record.NewBatch(record.Settings{}).Append(1, nil, make([]byte, bytes)).Seal()
	if err != nil {
		tb.Fatal(err)
	}
	var body []byte
	for range partitions * batches {
		body = append(body, one...)
	}
	object := cache.NewObject(body)
	plans := make([]plan, partitions)
	for i := range plans {
		length := int64(len(one) * batches)
		span := ledger.Span{Position: int64(i) * length, Length: length, Base: 1000, End: 1000 + record.Offset(batches)}
		p := &plans[i]
		p.Partition = Partition{record.TopicPartition{Partition: int32(i)}, span.Base, 1 << 30}
		p.bounds, p.end = Bounds{0, span.End, span.End}, span.End
		p.pieces, p.objects = []piece{{Span: span, object: "segment", cached: "segment"}}, []*cache.Object{object}
	}
	return plans
}

func quietFetcher() *Fetcher {
	return New(Settings{Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Cache: cache.New(0, 0)})
}

func BenchmarkHotAssemble(b *testing.B) {
	for name, inPieces := range map[string]bool{"pieces": true, "copy": false} {
		b.Run(name, func(b *testing.B) {
			f, plans := quietFetcher(), loadedPlans(b, 12, 8, 64<<10)
			b.SetBytes(int64(12 * plans[0].loaded()))
			b.ReportAllocs()
			for b.Loop() {
				if _, enough := f.assemble(plans, Request{BytesMin: 1, BytesMax: 1 << 30, InPieces: inPieces}, false); !enough {
					b.Fatal("nothing was read")
				}
			}
		})
	}
}

// TestAssemble_InPiecesTakesNoMemoryForTheBytesOfBatches: some for each batch, nothing for its size.
func TestAssemble_InPiecesTakesNoMemoryForTheBytesOfBatches(t *testing.T) {
	f := quietFetcher()
	taken := func(partitions, batches, bytes int) (allocations float64, memory int) {
		plans := loadedPlans(t, partitions, batches, bytes)
		assemble := func() { f.assemble(plans, Request{BytesMin: 1, BytesMax: 1 << 30, InPieces: true}, false) }
		allocations = testing.AllocsPerRun(20, assemble)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		assemble()
		runtime.ReadMemStats(&after)
		return allocations, int(after.TotalAlloc - before.TotalAlloc)
	}
	few, small := taken(12, 8, referBytesMin)
	many, large := taken(12, 8, 256<<10)
	if many > few || large > small+4<<10 {
		t.Errorf("%v allocations and %d bytes for batches of 4 KiB, %v and %d for batches of 256 KiB", few, small, many, large)
	}
	if most := 64 << 10; large > most { // 24 MiB are handed over
		t.Errorf("%d bytes for an answer, want at most %d", large, most)
	}
}
