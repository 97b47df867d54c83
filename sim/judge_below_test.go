package sim

import (
	"strings"
	"testing"

	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/topic"
)

// TestJudge_WhatIsGoneMayComeBackBelowTheLogStartAlone: a merge may bring it back there, where nobody reads. A batch that the log start
// divides is still given to readers, as a whole.
func TestJudge_WhatIsGoneMayComeBackBelowTheLogStartAlone(t *testing.T) {
	for _, again := range []struct {
		name  string
		start record.Offset
		gone  []int32 // of the first batch in the merged object; nil: it is whole
		found string
	}{
		{"whole, where it is read", 0, nil, "whole again"},
		{"whole, divided by the log start", 2, nil, "whole again"},
		{"whole, below the log start", 3, nil, ""},
		{"in part, divided by the log start", 2, []int32{1}, "there again"},
		{"in part, below the log start", 3, []int32{1}, ""},
	} {
		t.Run(again.name, func(t *testing.T) {
			h := newHand(t)
			h.configure(topic.CleanupPolicy, "compact")
			_, a := h.keyed("a", "b", "a")
			_, b := h.keyed("b", "c")
			h.settled(50, 0, 5, h.without(a, 0, 0), b)
			first := a
			if again.gone != nil {
				first = h.without(a, 0, again.gone...)
			}
			h.judge.Asks(h.partition(0), again.start)
			h.head(again.start, 5, h.object(51, 0, 5, first, b))
			switch {
			case again.found == "" && len(h.found) > 0:
				t.Errorf("found %v", h.found)
			case again.found != "" && (len(h.found) != 1 || h.found[0].Checker != "settled bytes" || !strings.Contains(h.found[0].What, again.found)):
				t.Errorf("found %v, want %q", h.found, again.found)
			}
		})
	}
}

// TestJudge_ChecksWhatLiesBelowTheLogStartAllTheSame: what may be there again is what was appended there, and nothing else.
func TestJudge_ChecksWhatLiesBelowTheLogStartAllTheSame(t *testing.T) {
	h := newHand(t)
	h.configure(topic.CleanupPolicy, "compact")
	_, a := h.keyed("a", "b", "a")
	_, b := h.keyed("b", "c")
	h.settled(50, 0, 5, h.without(a, 0, 0), b)
	other, err := record.NewBatch(record.Settings{}).Append(1, []byte("x"), nil).Append(1, []byte("b"), nil).Append(1, []byte("a"), nil).Seal()
	if err != nil {
		t.Fatal(err)
	}
	h.judge.Asks(h.partition(0), 3)
	h.head(3, 5, h.object(51, 0, 5, stamped(other, 0), b))
	if len(h.found) != 1 || !strings.Contains(h.found[0].What, "is not as it was appended") {
		t.Errorf("found %v", h.found)
	}
}
