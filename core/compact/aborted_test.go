package compact_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/firnlog/firnlog/core/record"
)

// A reader that is told of an aborted transaction passes over its producer's data until it meets the marker. So nobody may be
// told once the marker is gone: not by entries between the data and the marker, which do not change, nor by the root.
func TestCompact_AnAbortedTransactionIsForgottenBeforeItsMarkerGoes(t *testing.T) {
	bubble(t, 1, nil, func(f *fixture) {
		large := func(key string) {
			f.send("", record.CodecNone, [2]string{key, strings.Repeat("x", 1700)})
			f.settleAll()
		}
		f.send("x", record.CodecNone, [2]string{"t", "aborted"})
		for i := range 4 {
			large(fmt.Sprint("before", i))
		}
		f.end("x", false)
		large("after")
		large("last")
		f.compactAll()
		f.check()
		for round := range 3 { // the marker gets its horizon, and goes
			time.Sleep(2 * tombstones)
			f.send("x", record.CodecNone, [2]string{"u", fmt.Sprint(round)})
			f.end("x", true)
			f.send("", record.CodecNone, [2]string{fmt.Sprint("v", round), "x"})
			f.settleAll()
			f.compactAll()
			for range 20 {
				f.check()
			}
		}
		records, _, _ := f.read(f.a, false)
		for _, r := range records {
			if r.key == "t" {
				t.Errorf("aborted data is left at offset %d", r.offset)
			}
		}
	})
}
