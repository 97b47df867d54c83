package deliver

import (
	"testing"

	"github.com/firnlog/firnlog/core/record"
)

func TestTake_RecordsTooLargeForAnEventAreCountedToo(t *testing.T) {
	records, next := portionOf(t, large, 0, func(b *record.Builder) {
		for range 4 {
			b.Append(1, nil, make([]byte, PayloadBytesMax))
		}
	})
	if len(records) != 1 || next != 1 || records[0].JSON != nil {
		t.Errorf("%d records of %d bytes each in one portion, next %d", len(records), PayloadBytesMax, next)
	}
}
