package queues

import (
	"cmp"
	"slices"
	"time"
)

// order is one key's values by offset. Offsets have gaps, where markers of transactions are.
type order struct {
	sights []sight
	facts  []int32 // by place
	// Before each place: how many values are in the log, and how many of them a reader of read_committed must find.
	logged, committed []int32
	// sooner is, from each place on, when the first of these values was known to be readable.
	sooner []time.Duration
	// How far somebody has read, and somebody with read_committed; nowhere: nobody has.
	highest, highestCommitted int32
	final                     bool // it was read to its end
}

type sight struct {
	offset int64
	fact   int32
}

const never = time.Duration(1<<63 - 1)

// place puts the values of each key in order: the version order of all that follows.
func (c *checker) place() {
	for _, k := range c.keys() {
		o := c.orders[k]
		slices.SortStableFunc(o.sights, func(a, b sight) int { return cmp.Compare(a.offset, b.offset) })
		for i, s := range o.sights {
			f := &c.facts[s.fact]
			if i > 0 && o.sights[i-1].offset == s.offset && o.sights[i-1].fact != s.fact {
				c.bad(InconsistentOffsets, "offset %d of key %d has the values %d and %d", s.offset, k, c.facts[o.sights[i-1].fact].value, f.value)
				continue
			}
			if f.place == nowhere && f.key == k && f.offset == s.offset {
				f.place = int32(len(o.facts))
				o.facts = append(o.facts, s.fact)
			}
		}
		c.measure(o)
	}
}

func (c *checker) measure(o *order) {
	n := len(o.facts)
	o.logged, o.committed, o.sooner = make([]int32, n+1), make([]int32, n+1), make([]time.Duration, n+1)
	for i, at := range o.facts {
		f := &c.facts[at]
		o.logged[i+1], o.committed[i+1] = o.logged[i]+1, o.committed[i]
		if c.committed(f) {
			o.committed[i+1]++
		}
		if f.seen {
			o.highest = int32(i)
		}
		if f.seenCommitted {
			o.highestCommitted = int32(i)
		}
	}
	o.sooner[n] = never
	for i := n - 1; i >= 0; i-- {
		o.sooner[i] = o.sooner[i+1]
		if f := &c.facts[o.facts[i]]; c.committed(f) && c.writer(f).Outcome == Done {
			o.sooner[i] = min(o.sooner[i], c.writer(f).End)
		}
	}
}

// missed counts the values between two places that a reader should have found.
func (o *order) missed(from, to int32, uncommitted bool) int32 {
	if uncommitted {
		return o.logged[to] - o.logged[from+1]
	}
	return o.committed[to] - o.committed[from+1]
}

// keys of the history, in order, so that one history is always told in the same words.
func (c *checker) keys() []Key {
	out := make([]Key, 0, len(c.orders))
	for k := range c.orders {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}
