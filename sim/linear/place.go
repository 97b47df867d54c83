package linear

import (
	"cmp"
	"fmt"
	"slices"
)

// batch is one whose offset somebody knows.
type batch struct {
	value, base, records int64
}

// place finds the offset of every batch, from those who were told and those who have read it. wrong is the first contradiction.
func place(ops []Op) (batches []batch, wrong string) {
	known, sent := map[int64]batch{}, map[int64]bool{}
	for _, o := range ops {
		if o.Kind == Append {
			sent[o.Value] = true
		}
		if o.Kind > Read || o.Base == Unknown {
			continue
		}
		b := batch{o.Value, o.Base, o.Records}
		if before, ok := known[o.Value]; ok && before != b {
			return nil, fmt.Sprintf("batch %d is at %d with %d records and at %d with %d", o.Value, before.base, before.records, b.base, b.records)
		}
		known[o.Value] = b
	}
	for _, b := range known {
		batches = append(batches, b)
	}
	slices.SortFunc(batches, func(a, b batch) int { return cmp.Or(cmp.Compare(a.base, b.base), cmp.Compare(a.value, b.value)) })
	for i := 1; i < len(batches); i++ {
		if a, b := batches[i-1], batches[i]; a.base+a.records > b.base {
			return nil, fmt.Sprintf("batch %d at %d with %d records and batch %d at %d overlap", a.value, a.base, a.records, b.value, b.base)
		}
	}
	for _, o := range ops {
		if o.Kind == Read && !sent[o.Value] {
			return nil, fmt.Sprintf("batch %d at %d was read, and nobody has sent it", o.Value, o.Base)
		}
	}
	return batches, ""
}

// placed are the calls with what is known of their batches: one append of each batch whose offset is known, from its first
// sending to its first answer.
func placed(ops []Op, batches []batch) (out []call) {
	at := map[int64]int{}
	for i, b := range batches {
		at[b.value] = i
	}
	appends := map[int64]int{}
	for _, o := range ops {
		rank, ok := at[o.Value]
		switch {
		case o.Kind > Read:
			out = append(out, call{Op: o})
		case o.Kind == Read:
			if last := len(out) - 1; last >= 0 && out[last].Kind == Read && out[last].From == o.From && out[last].To == o.To {
				out[last].rank = max(out[last].rank, rank) // of one answer the last batch says the most
				continue
			}
			out = append(out, call{Op: o, rank: rank})
		case !ok: // nobody knows where it is: nothing depends on it
		default:
			o.Base = batches[rank].base
			if i, twice := appends[o.Value]; twice {
				out[i].From, out[i].To = min(out[i].From, o.From), min(out[i].To, o.To)
				continue
			}
			appends[o.Value] = len(out)
			out = append(out, call{Op: o, rank: rank})
		}
	}
	return telling(out)
}

// telling leaves out reads that say nothing: a batch that is there stays there, and so do all before it, so what a read brought is implied by any
// that ended sooner and brought more.
func telling(calls []call) (out []call) {
	var reads []call
	for _, c := range calls {
		if c.Kind == Read {
			reads = append(reads, c)
		} else {
			out = append(out, c)
		}
	}
	slices.SortStableFunc(reads, func(a, b call) int { return cmp.Or(cmp.Compare(a.To, b.To), cmp.Compare(b.rank, a.rank)) })
	seen := -1
	for _, r := range reads {
		if r.rank > seen {
			seen = r.rank
			out = append(out, r)
		}
	}
	return out
}
