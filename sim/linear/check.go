package linear

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/anishathalye/porcupine"
)

// Verdict on a partition.
type Verdict struct {
	Wrong     string // "": it is linearizable, as far as it was decided
	Calls     int
	Windows   int
	Undecided int // windows whose search took too long
}

// windowMin is how many calls a window has at least, but for the last one.
const windowMin = 200

// Check judges the calls of one partition. No window is searched for longer than most.
func Check(ops []Op, most time.Duration) Verdict {
	batches, wrong := place(ops)
	if wrong != "" {
		return Verdict{Wrong: wrong, Calls: len(ops)}
	}
	calls := placed(ops, batches)
	v := Verdict{Calls: len(calls)}
	begin := state{}
	for _, w := range windows(calls, batches) {
		v.Windows++
		history := make([]porcupine.Operation, len(w.calls))
		for i, o := range w.calls {
			history[i] = porcupine.Operation{Input: o, Call: int64(o.From), Return: int64(o.To)}
		}
		switch porcupine.CheckOperationsTimeout(model(batches, begin), history, most) {
		case porcupine.Illegal:
			v.Wrong = fmt.Sprintf("window %d, %d calls from %v on: no order of them fits what was told; it begins with %d batches, end %d, log start %d",
				v.Windows, len(w.calls), w.calls[0].From, begin.in, begin.next, begin.start)
			return v
		case porcupine.Unknown:
			v.Undecided++
		}
		begin = w.end
	}
	return v
}

// window is a part of a history, and the state behind it.
type window struct {
	calls []call
	end   state
}

// windows cuts a history at instants at which nothing that was answered is on its way. A call without an answer is put into the first window
// that has seen its effect, else into the last: later is as good where nobody has looked. Behind a deletion without an answer there is no cut, since
// no offset says whether it was there.
func windows(calls []call, batches []batch) (out []window) {
	slices.SortStableFunc(calls, func(a, b call) int { return cmp.Compare(a.From, b.From) })
	var w window
	var open []call // appends without an answer
	at, until := state{}, time.Duration(-1)
	cuts := true
	for i := range calls {
		o := calls[i]
		if cuts && len(w.calls) >= windowMin && o.From > until {
			open = w.take(open, &at, batches, until)
			out = append(out, w)
			w = window{}
		}
		if o.To == Never && o.Kind == Append {
			open = append(open, o)
			continue
		}
		cuts = cuts && o.To != Never
		until = max(until, o.To)
		w.calls = append(w.calls, o)
	}
	w.calls = append(w.calls, open...)
	return append(out, w)
}

// take finds the state behind a window, and puts those appends without an answer into it that somebody has seen.
func (w *window) take(open []call, at *state, batches []batch, until time.Duration) (rest []call) {
	for _, o := range w.calls {
		switch o.Kind {
		case Append, Read:
			at.in = max(at.in, o.rank+1)
		case Empty:
			at.next = max(at.next, o.Base)
		case Bounds:
			at.next = max(at.next, o.End)
		case Delete:
			at.start = max(at.start, o.Base)
		}
	}
	for at.in < len(batches) && batches[at.in].base < at.next {
		at.in++
	}
	at.next = max(at.next, at.start)
	if at.in > 0 {
		last := batches[at.in-1]
		at.next = max(at.next, last.base+last.records)
	}
	for _, o := range open {
		if o.rank >= at.in {
			rest = append(rest, o)
			continue
		}
		o.To = max(until, o.From) // who saw it before it was sent finds no order
		w.calls = append(w.calls, o)
	}
	w.end = *at
	return rest
}
