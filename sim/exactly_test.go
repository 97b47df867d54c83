package sim

import (
	"fmt"
	"hash/fnv"
	"testing"

	"github.com/firnlog/firnlog/sim/replay"
)

// exactly gives calls with all digits of their times, for who compares two transcripts.
func exactly(entries []entry) (out []string) {
	for _, e := range entries {
		out = append(out, fmt.Sprintf("%d %d %v", e.from, e.to, e))
	}
	return out
}

// exactly gives all events, also those that events leaves out.
func (r *GroupReport) exactly() (out []string) {
	for _, h := range r.Histories {
		for _, e := range h.Events {
			out = append(out, fmt.Sprintf("%d %d %s %v", e.Start, e.End, h.Group, e))
		}
	}
	return out
}

// sayDigest lets a person see that two transcripts are the same.
func sayDigest(t *testing.T, transcript []string) {
	t.Helper()
	h := fnv.New64a()
	for _, line := range transcript {
		fmt.Fprintln(h, line)
	}
	how := "each time"
	if !replay.Exact {
		how = "most of the time (make sim: each time)"
	}
	t.Logf("transcript of %d lines: %016x, %s", len(transcript), h.Sum64(), how)
}
