package segment_test

import (
	"testing"
	"time"

	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/segment"
)

// written are partitions with one batch each.
func written(t testing.TB, partitions int32, records int) (out []segment.Partition) {
	t.Helper()
	b := record.NewBatch(record.Settings{})
	for range records {
		b.Append(time.Unix(0, 0).UnixMilli(), []byte("key"), make([]byte, 64))
	}
	sealed, err := b.Seal()
	if err != nil {
		t.Fatal(err)
	}
	for p := range partitions {
		tp := record.TopicPartition{Topic: record.TopicID{1}, Partition: p}
		out = append(out, segment.Partition{TopicPartition: tp, Batches: [][]byte{sealed}})
	}
	return out
}

func BenchmarkHotSeal(b *testing.B) {
	parts := written(b, 100, 100)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := segment.Seal(parts); err != nil {
			b.Fatal(err)
		}
	}
}

// The write path looks at batches, never at their records: more of them must not mean more allocations.
func TestWritePath_AllocatesNothingForRecords(t *testing.T) {
	allocations := func(records int) float64 {
		parts := written(t, 3, records)
		return testing.AllocsPerRun(50, func() {
			for _, p := range parts {
				if _, err := record.Validate(p.Batches[0], record.Limits{}); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := segment.Seal(parts); err != nil {
				t.Fatal(err)
			}
		})
	}
	if few, many := allocations(1), allocations(2000); many > few {
		t.Errorf("%v allocations for batches of 2000 records, %v for batches of one", many, few)
	}
}
