package queues

// reads looks at each read value alone: was it there to be read?
func (c *checker) reads() {
	for i := range c.ops {
		op := &c.ops[i]
		if op.Final {
			for _, k := range op.Keys {
				if o := c.orders[k]; o != nil {
					o.final = o.final || !op.Uncommitted
				}
			}
		}
		for k := range op.Steps {
			if s := &op.Steps[k]; !s.Sent {
				c.readable(op, int32(i), s)
			}
		}
	}
}

func (c *checker) readable(op *Op, i int32, s *Step) {
	f := c.at(s.Value)
	w := c.writer(f)
	switch {
	case w == nil:
		c.bad(Phantom, "value %d at %d of key %d was never sent", s.Value, s.Offset, s.Key)
	case w.Transaction && op.Uncommitted: // anything goes
	case w.Transaction && f.writer == i:
		c.bad(PrecommittedRead, "the transaction of process %d at %v has read its own value %d at %d of key %d", op.Process, op.Start, s.Value, s.Offset, s.Key)
	case w.Outcome == Failed:
		c.bad(AbortedRead, "value %d at %d of key %d was read by process %d at %v, and its send or transaction of %v failed", s.Value, s.Offset, s.Key, op.Process, op.End, w.Start)
	case w.Transaction && w.Ending > op.End:
		c.bad(PrecommittedRead, "value %d at %d of key %d was read by %v; its commit was asked for at %v", s.Value, s.Offset, s.Key, op.End, w.Ending)
	}
}

// lost looks for what was acknowledged and is not there.
func (c *checker) lost() {
	for i := range c.ops {
		op := &c.ops[i]
		if op.Kind != Transact || op.Outcome == Failed {
			continue
		}
		if op.Transaction && c.torn(op) || op.Outcome != Done {
			continue
		}
		for k := range op.Steps {
			if s := &op.Steps[k]; s.Sent {
				c.missing(op, c.at(s.Value))
			}
		}
	}
}

func (c *checker) missing(op *Op, f *fact) {
	if !f.acked || f.place == nowhere {
		return
	}
	o := c.orders[f.key]
	switch {
	case !f.seenCommitted && f.place <= o.highestCommitted, !op.Transaction && !f.seen && f.place <= o.highest:
		c.bad(LostWrite, "value %d, sent by process %d and acknowledged at %d of key %d by %v, was passed over by readers", f.value, op.Process, f.offset, f.key, op.End)
	case !f.seen, !f.seenCommitted && o.final:
		c.bad(Unseen, "value %d, sent by process %d and acknowledged at %d of key %d by %v, was never read", f.value, op.Process, f.offset, f.key, op.End)
	}
}

// torn: a part of a transaction was read with read_committed, another one never will be.
func (c *checker) torn(op *Op) bool {
	var there, gone *fact
	for k := range op.Steps {
		s := &op.Steps[k]
		if !s.Sent {
			continue
		}
		f := c.at(s.Value)
		if f.seenCommitted {
			there = f
		} else if o := c.orders[f.key]; f.acked && f.place != nowhere && (o.final || f.place <= o.highestCommitted) {
			gone = f
		}
	}
	if there == nil || gone == nil {
		return false
	}
	c.bad(TornTransaction, "of the transaction of process %d at %v, value %d of key %d is there, and value %d, acknowledged at %d of key %d, is not",
		op.Process, op.Start, there.value, there.key, gone.value, gone.offset, gone.key)
	return true
}
