package linear

import (
	"math"

	"github.com/anishathalye/porcupine"
)

// call is an Op that knows its batch's place among all known ones.
type call struct {
	Op
	rank int
}

// state of a partition, between two calls.
type state struct {
	in    int   // so many of the known batches are there
	next  int64 // offset: at least this; what nobody knows may have come behind it
	start int64
}

// model of the partition that these batches are in.
func model(batches []batch, begin state) porcupine.Model {
	// most is how far the log can reach while so many known batches are in it.
	most := func(in int) int64 {
		if in < len(batches) {
			return batches[in].base
		}
		return math.MaxInt64
	}
	return porcupine.Model{
		Init: func() any { return begin },
		Step: func(s, input, _ any) (bool, any) {
			at, o := s.(state), input.(call)
			ok := at.step(&o, most)
			return ok, at
		},
		Equal: func(a, b any) bool { return a == b },
	}
}

// step takes one call, or says that it cannot be the next one.
func (s *state) step(o *call, most func(int) int64) bool {
	switch o.Kind {
	case Append:
		if o.rank != s.in || o.Base < s.next {
			return false
		}
		s.in, s.next = s.in+1, o.Base+o.Records
	case Read:
		return o.rank < s.in
	case Empty:
		return o.Base >= s.next && o.Base >= s.start && s.reach(o.Base, most)
	case OutOfRange:
		return o.Base < s.start || o.Base > s.next
	case Bounds:
		return o.Base == s.start && o.End >= s.next && s.reach(o.End, most)
	case Delete:
		s.start = max(s.start, o.Base)
		return (o.End == Unknown || o.End == s.start) && (s.start <= s.next || s.reach(s.start, most))
	}
	return true
}

// reach lets the log end at an offset, if what nobody knows may fill it up to there.
func (s *state) reach(end int64, most func(int) int64) bool {
	if end > most(s.in) {
		return false
	}
	s.next = max(s.next, end)
	return true
}
