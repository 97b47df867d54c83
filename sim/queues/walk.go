package queues

// cursor is how far a process has read.
type cursor struct {
	at       map[Key]position
	assigned []Key
}

type position struct {
	place int32
	op    int32
	moved bool // the group has rebalanced since
}

// walk follows each process from poll to poll.
func (c *checker) walk() {
	cursors := map[int]*cursor{}
	for i := range c.ops {
		op := &c.ops[i]
		cur := cursors[op.Process]
		if cur == nil {
			cur = &cursor{at: map[Key]position{}}
			cursors[op.Process] = cur
		}
		switch op.Kind {
		case Assign, Subscribe, Rebalance:
			cur.assign(op)
		case Crash:
			delete(cursors, op.Process)
		case Transact:
			for k := range op.Steps {
				if s := &op.Steps[k]; !s.Sent {
					c.step(cur, op, int32(i), s)
				}
			}
			if op.Polled {
				c.behind(cur, op)
			}
		}
	}
}

// assign keeps the positions of keys that stay. A member of a group goes on from what the group has committed, which
// may be before or after its own position.
func (cur *cursor) assign(op *Op) {
	before := cur.at
	cur.at, cur.assigned = map[Key]position{}, op.Keys
	if op.Afresh {
		return
	}
	for _, k := range op.Keys {
		if at, ok := before[k]; ok {
			at.moved = at.moved || op.Kind != Assign
			cur.at[k] = at
		}
	}
}

func (c *checker) step(cur *cursor, op *Op, i int32, s *Step) {
	f, o := c.at(s.Value), c.orders[s.Key]
	if f.place == nowhere || f.key != s.Key || f.offset != s.Offset {
		return // told already: it is in two places
	}
	last, ok := cur.at[s.Key]
	cur.at[s.Key] = position{place: f.place, op: i}
	if !ok {
		return
	}
	skip, back := PollSkip, NonmonotonicPoll
	if last.op == i {
		skip, back = IntPollSkip, IntNonmonotonicPoll
	}
	before := &c.facts[o.facts[last.place]]
	switch {
	case f.place > last.place && o.missed(last.place, f.place, op.Uncommitted) == 0:
	case last.moved:
		c.legal(PollMoved)
	case f.place <= last.place:
		c.bad(back, "process %d read offset %d of key %d after %d, in the operation of %v", op.Process, f.offset, s.Key, before.offset, op.Start)
	default:
		c.bad(skip, "process %d read offset %d of key %d after %d, in the operation of %v, and left out %d values", op.Process, f.offset, s.Key, before.offset, op.Start, o.missed(last.place, f.place, op.Uncommitted))
	}
}

// behind measures how late a process is: the oldest value that was readable when its poll began, and that it has not come to.
func (c *checker) behind(cur *cursor, op *Op) {
	for _, k := range cur.assigned {
		at, ok := cur.at[k]
		if !ok {
			continue
		}
		if known := c.orders[k].sooner[at.place+1]; op.Start-known > c.Lag.Time {
			c.Lag = Lag{op.Start - known, op.Start, op.Process, k}
		}
	}
}

// sends follows what each process sends: a later send is at a higher offset than what was acknowledged before.
func (c *checker) sends() {
	type sender struct {
		process int
		key     Key
	}
	last := map[sender]position{}
	for i := range c.ops {
		op := &c.ops[i]
		for k := range op.Steps {
			s := &op.Steps[k]
			f := c.at(s.Value)
			if !s.Sent || f.place == nowhere || f.key != s.Key {
				continue
			}
			who := sender{op.Process, s.Key}
			before, ok := last[who]
			inside := before.op == int32(i)
			switch {
			case ok && inside && f.place < before.place:
				c.bad(IntNonmonotonicSend, "process %d sent value %d to offset %d of key %d after a higher one in the same operation, of %v", op.Process, f.value, f.offset, s.Key, op.Start)
			case ok && !inside && f.place < before.place:
				c.bad(NonmonotonicSend, "process %d sent value %d to offset %d of key %d in the operation of %v, after a higher one", op.Process, f.value, f.offset, s.Key, op.Start)
			case ok && inside && f.place > before.place+1:
				c.legal(IntSendSkip)
			}
			if f.acked {
				last[who] = position{place: f.place, op: int32(i)}
			}
		}
	}
}
