package objectstore_test

import (
	"errors"
	"math"
	"testing"

	"pgregory.net/rapid"

	"github.com/firnlog/firnlog/objectstore"
)

func TestExtent_IsInsideTheObjectOrErrRange(t *testing.T) {
	numbers := rapid.OneOf(rapid.Int64Range(-40, 40), rapid.Int64(), rapid.SampledFrom([]int64{math.MinInt64, math.MaxInt64}))
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.Int64Range(0, 20).Draw(t, "size")
		offset, length := numbers.Draw(t, "offset"), numbers.Draw(t, "length")
		from, to, err := objectstore.Extent(size, offset, length)
		if err != nil {
			if !errors.Is(err, objectstore.ErrRange) || size == 0 || offset < size {
				t.Fatalf("error %v", err)
			}
			return
		}
		if size > 0 && offset >= size {
			t.Fatalf("[%d, %d): offset past the end, want ErrRange", from, to)
		}
		if from < 0 || from > to || to > size {
			t.Fatalf("[%d, %d) is not inside", from, to)
		}
		if length >= 0 && to-from > length {
			t.Fatalf("[%d, %d) is longer than asked", from, to)
		}
		if offset >= 0 && size > 0 && from != offset {
			t.Fatalf("[%d, %d) begins elsewhere", from, to)
		}
	})
}
