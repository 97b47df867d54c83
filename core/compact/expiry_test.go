package compact_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/firnlog/firnlog/core/record"
)

// With cleanup.policy=compact,delete a partition smaller than one object is put together again and again. What is old must not
// go into one object with what is new each time: an object expires with its newest record, so nothing would.
func TestCompact_WhatExpiresAtDifferentTimesStaysApart(t *testing.T) {
	const hours = 24
	bubble(t, 1, []string{"cleanup.policy", "compact,delete", "retention.ms", fmt.Sprint((8 * time.Hour).Milliseconds())}, func(f *fixture) {
		for n := range hours {
			f.send("", record.CodecNone, [2]string{fmt.Sprint("once ", n), "v"}, [2]string{"again", fmt.Sprint(n)})
			time.Sleep(time.Hour)
			f.settleAll()
			f.compactAll()
		}
		f.check()
		for _, s := range f.Walk()[f.tp].Listed {
			first, last := time.Time{}, time.Time{}
			for at := s.Base; at < s.End; at++ {
				if w := f.log[at]; w.data {
					if first.IsZero() {
						first = w.at
					}
					last = w.at
				}
			}
			// Settling puts some hours together, and a window is one hour.
			if last.Sub(first) > 6*time.Hour {
				t.Errorf("the object of offsets %d to %d holds what was written in %v", s.Base, s.End, last.Sub(first))
			}
		}
	})
}
