package restore_test

import (
	"fmt"
	"testing"

	kvmemory "github.com/firnlog/firnlog/coordination/memory"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/restore"
)

// BenchmarkRestore is the time of a restore without that of requests: 10,000 partitions with ten producers and twenty spans
// each. It reports the bytes of the backup.
func BenchmarkRestore(b *testing.B) {
	t := &testing.T{}
	w := newWorld(t)
	w.keeper.PartMax = 8 << 20
	w.Put(w.Keys.Format(), ledger.Format{Version: ledger.FormatVersion, Era: "old"}.Encode())
	w.Put(w.Keys.Floor(), make([]byte, 8))
	w.Put(w.Keys.Stamp(), make([]byte, 8))
	topic := w.CreateTopic("t", 10_000)
	for p := range int32(10_000) {
		h := ledger.Head{Next: 2000}
		for i := range 10 {
			h.Producers = append(h.Producers, ledger.HeadProducer{ID: record.ProducerID(int(p)*10 + i), Last: 5, Revision: 7})
		}
		for i := range record.Offset(20) {
			h.Spans = append(h.Spans, ledger.Span{Base: 100 * i, End: 100 * (i + 1), Length: 1000, Position: int64(p), Segment: [16]byte{5: byte(i), 15: 1}})
		}
		w.Put(w.Keys.Head(topic, p), h.Encode())
	}
	root, err := w.keeper.Take(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	size := int64(0)
	for _, part := range root.Parts {
		size += part.Size
	}
	for b.Loop() {
		s := w.settings()
		s.KV = kvmemory.New(kvmemory.Settings{})
		r, err := restore.Prepare(b.Context(), s)
		if err == nil {
			err = r.Apply(b.Context())
		}
		if err != nil || r.Report.Partitions != 10_000 {
			b.Fatal(fmt.Sprint(err, r.Report.Partitions))
		}
	}
	b.ReportMetric(float64(size), "backup-bytes")
}
