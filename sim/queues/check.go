package queues

import (
	"cmp"
	"slices"
)

// fact is what a history says about one value.
type fact struct {
	value         Value
	source        Value
	key           Key
	offset        int64 // NoOffset: nobody knows
	writer        int32 // its op; nobody: it was never sent
	place         int32 // in the order of its key; nowhere: its offset is not known
	acked         bool  // its sender was told the offset
	seen          bool  // somebody has read it
	seenCommitted bool  // with read_committed
}

const (
	nobody  = -1
	nowhere = -1
)

// checker judges one history.
type checker struct {
	*Report
	ops    []Op
	index  map[Value]int32
	facts  []fact
	orders map[Key]*order
}

// Check judges a history.
func Check(h *History) *Report {
	c := &checker{Report: &Report{Anomalies: map[Class]int{}, Legal: map[Class]int{}}, ops: h.Ops, index: map[Value]int32{}, orders: map[Key]*order{}}
	byStart := func(a, b Op) int { return cmp.Compare(a.Start, b.Start) }
	if !slices.IsSortedFunc(c.ops, byStart) {
		c.ops = slices.Clone(c.ops)
		slices.SortStableFunc(c.ops, byStart)
	}
	c.collect()
	c.place()
	c.reads()
	c.lost()
	c.walk()
	c.sends()
	c.cycles()
	c.transformed(h.Drained)
	return c.Report
}

// at is the fact of a value.
func (c *checker) at(v Value) *fact { return &c.facts[c.index[v]] }

// know gives the fact of a value, a new one if need be.
func (c *checker) know(s *Step) (*fact, int32) {
	i, ok := c.index[s.Value]
	if !ok {
		i = int32(len(c.facts))
		c.index[s.Value] = i
		c.facts = append(c.facts, fact{value: s.Value, key: s.Key, offset: NoOffset, writer: nobody, place: nowhere})
	}
	return &c.facts[i], i
}

// collect reads all steps once.
func (c *checker) collect() {
	c.Ops = len(c.ops)
	for i := range c.ops {
		op := &c.ops[i]
		if op.Kind != Transact {
			continue
		}
		c.countOp(op)
		for k := range op.Steps {
			s := &op.Steps[k]
			f, n := c.know(s)
			if s.Sent {
				c.Sent++
				f.writer, f.source = int32(i), s.Source
				f.acked = s.Offset != NoOffset
				if f.acked {
					c.Acknowledged++
				} else if op.Outcome == Unknown {
					c.Unknown++
				}
			} else {
				c.Read++
				f.seen = true
				f.seenCommitted = f.seenCommitted || !op.Uncommitted
			}
			if s.Offset != NoOffset {
				c.locate(f, n, s)
			}
		}
	}
}

func (c *checker) countOp(op *Op) {
	if !op.Transaction {
		return
	}
	switch op.Outcome {
	case Done:
		c.Committed++
	case Failed:
		c.Aborted++
	default:
		c.Undecided++
	}
}

// locate notes where a value was seen.
func (c *checker) locate(f *fact, n int32, s *Step) {
	if f.offset == s.Offset && f.key == s.Key {
		return
	}
	if f.offset != NoOffset {
		c.bad(Duplicate, "value %d is at %d of key %d and at %d of key %d", f.value, f.offset, f.key, s.Offset, s.Key)
	} else {
		f.key, f.offset = s.Key, s.Offset
	}
	o := c.orders[s.Key]
	if o == nil {
		o = &order{highest: nowhere, highestCommitted: nowhere}
		c.orders[s.Key] = o
	}
	o.sights = append(o.sights, sight{s.Offset, n})
}

// writer is the op that sent a value; nil: there is none.
func (c *checker) writer(f *fact) *Op {
	if f.writer == nobody {
		return nil
	}
	return &c.ops[f.writer]
}

// committed says that readers of read_committed must find it: it was acknowledged and not taken back, or
// somebody has found it.
func (c *checker) committed(f *fact) bool {
	w := c.writer(f)
	switch {
	case w == nil || w.Outcome == Failed:
		return false
	case w.Outcome == Done && f.acked:
		return true
	default:
		return f.seenCommitted || f.seen && !w.Transaction
	}
}
