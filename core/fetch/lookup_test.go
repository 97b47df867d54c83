package fetch_test

import (
	"testing"
	"time"

	"github.com/firnlog/firnlog/core/coretest"
	"github.com/firnlog/firnlog/core/fetch"
	"github.com/firnlog/firnlog/core/record"
)

func TestAtTimeAndMaxTimestamp_AcrossSegmentsAndCodecs(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		now := time.Now().UnixMilli()
		for i, codec := range []record.Codec{record.CodecNone, record.CodecGzip, record.CodecZstd, record.CodecLZ4, record.CodecSnappy} {
			ms := now + int64(i)*100
			f.a.MustProduce(coretest.Batch(f.tp, record.Settings{Codec: codec}, ms, "a", "b", "c"), coretest.Batch(f.tp, record.Settings{Codec: codec}, ms+10, "d", "e"))
		}
		f.a.MustProduce(coretest.Batch(f.tp, record.Settings{}, now, "late arrival")) // offset 25
		for ms, want := range map[int64]fetch.Found{
			now - 5: {Offset: 0, Timestamp: now}, now + 2: {Offset: 2, Timestamp: now + 2}, now + 3: {Offset: 3, Timestamp: now + 10}, now + 11: {Offset: 4, Timestamp: now + 11},
			now + 12: {Offset: 5, Timestamp: now + 100}, now + 302: {Offset: 17, Timestamp: now + 302}, now + 411: {Offset: 24, Timestamp: now + 411}, now + 412: {Offset: -1, Timestamp: -1},
		} {
			for _, in := range []*coretest.Instance{f.a, f.b} {
				if got, err := in.Fetch.AtTime(t.Context(), f.tp, ms, false); err != nil || got != want {
					t.Errorf("%s at %d: %+v, %v; want %+v", in.Name, ms-now, got, err, want)
				}
			}
		}
		if got, err := f.b.Fetch.MaxTimestamp(t.Context(), f.tp); err != nil || got != (fetch.Found{Offset: 24, Timestamp: now + 411}) {
			t.Errorf("max timestamp: %+v, %v", got, err)
		}
		if _, err := f.a.Upkeep.DeleteRecords(t.Context(), f.tp, 4); err != nil {
			t.Fatal(err)
		}
		if got, err := f.b.Fetch.AtTime(t.Context(), f.tp, now, false); err != nil || got.Offset != 4 {
			t.Errorf("from the log start in the middle of a batch: %+v, %v", got, err)
		}
		if got, err := f.b.Fetch.MaxTimestamp(t.Context(), f.part(1)); err != nil || got != (fetch.Found{Offset: -1, Timestamp: -1}) {
			t.Errorf("empty partition: %+v, %v", got, err)
		}
	})
}
