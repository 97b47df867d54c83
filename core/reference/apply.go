package reference

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/oklog/ulid/v2"

	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/rule"
)

// apply changes the references of a head as it stands in etcd, and nothing else of it: as-of, next, producers, the
// rest of the spans and the log start stay. Open means: write it.
//
// Retention may have moved the log start since the change was made. Spans wholly below it were dropped, so they
// are not looked for, and what would take their place is not put in. One that takes the place of some above it, too, has below it what was
// read there, even if log compaction has rewritten that before it was dropped: nobody is given it. A manifest cannot leave them out any more: it
// would refer again to objects that sweep may have taken for its own since.
func (c *Change) apply(h *ledger.Head) (Outcome, error) {
	if c.isIn(h) {
		return Swapped, nil
	}
	remove, insert := above(c.Remove, h.LogStart), above(c.Insert, h.LogStart)
	if len(remove) == 0 && len(c.Remove) > 0 || manifestID(h.Manifest) != c.replaces(h) || c.revives(h) {
		return Changed, nil
	}
	before := extents(h)
	rest := h.Spans[:0:0]
	for i := range h.Spans {
		if len(remove) > 0 && same(&h.Spans[i], &remove[0]) {
			remove = remove[1:]
		} else {
			rest = append(rest, h.Spans[i])
		}
	}
	if len(remove) > 0 {
		return Changed, nil
	}
	if !rule.On(rule.SwapKeepsRest) {
		rest = nil
	}
	h.Spans = append(rest, insert...)
	slices.SortStableFunc(h.Spans, func(a, b ledger.Span) int { return cmp.Compare(a.Base, b.Base) })
	if c.Manifest != nil {
		h.Manifest = c.Manifest.New
	}
	if after := extents(h); !slices.Equal(before, after) && rule.On(rule.SwapKeepsRest) {
		return Open, fmt.Errorf("swap references of %v/%d: offsets %v become %v: %w", c.Partition.Topic, c.Partition.Partition, before, after, ErrCoverage)
	}
	h.Truncate(h.LogStart) // aborted transactions that the manifest has go
	return Open, nil
}

// isIn says whether the head names what is new: an earlier try whose answer was lost has succeeded.
func (c *Change) isIn(h *ledger.Head) bool {
	if c.Manifest != nil && (c.Manifest.New == nil || manifestID(h.Manifest) != c.Manifest.New.ID) {
		return false
	}
	insert := above(c.Insert, h.LogStart)
	if len(insert) == 0 {
		return c.Manifest != nil
	}
	for i := range h.Spans {
		if len(insert) > 0 && same(&h.Spans[i], &insert[0]) {
			insert = insert[1:]
		}
	}
	return len(insert) == 0
}

// revives says whether the new manifest lists an object of spans that the head has let go.
func (c *Change) revives(h *ledger.Head) bool {
	return c.Manifest != nil && c.Manifest.New != nil && slices.ContainsFunc(c.Remove, func(s ledger.Span) bool {
		return s.Inline == nil && s.End <= h.LogStart
	})
}

// replaces is the manifest that the head must have.
func (c *Change) replaces(h *ledger.Head) ulid.ULID {
	if c.Manifest == nil {
		return manifestID(h.Manifest)
	}
	return c.Manifest.Old
}

func manifestID(m *ledger.Manifest) ulid.ULID {
	if m == nil {
		return ulid.ULID{}
	}
	return m.ID
}

func above(spans []ledger.Span, start record.Offset) []ledger.Span {
	return slices.DeleteFunc(slices.Clone(spans), func(s ledger.Span) bool { return s.End <= start })
}

// same compares what a span refers to, not how it came there.
func same(a, b *ledger.Span) bool {
	if a.Inline != nil || b.Inline != nil {
		return a.Inline != nil && b.Inline != nil && *a.Inline == *b.Inline && a.Base == b.Base
	}
	return a.Segment == b.Segment && a.Place == b.Place && a.Owner == b.Owner && a.Position == b.Position && a.Length == b.Length && a.Base == b.Base && a.End == b.End
}

// extent is a range of offsets that is covered without a gap.
type extent struct{ from, to record.Offset }

// extents of what a head refers to from its log start on: two that overlap show as a range that goes back.
func extents(h *ledger.Head) (out []extent) {
	add := func(from, to record.Offset) {
		from, to = max(from, h.LogStart), max(to, h.LogStart)
		if n := len(out); from == to {
			return
		} else if n > 0 && out[n-1].to == from {
			out[n-1].to = to
			return
		}
		out = append(out, extent{from, to})
	}
	if h.Manifest != nil {
		add(h.Manifest.Base, h.Manifest.End)
	}
	for i := range h.Spans {
		add(h.Spans[i].Base, h.Spans[i].End)
	}
	return out
}
