package queues

// transformed looks at records made of other records: each input has one result that readers find, however often
// clients have tried.
func (c *checker) transformed(drained []Key) {
	results := map[Value]Value{}
	for i := range c.facts {
		f := &c.facts[i]
		if f.source == 0 || !c.committed(f) {
			continue
		}
		if other, twice := results[f.source]; twice {
			c.bad(ProcessedTwice, "value %d has the results %d and %d", f.source, other, f.value)
		}
		results[f.source] = f.value
	}
	for _, k := range drained {
		o := c.orders[k]
		if o == nil {
			continue
		}
		for _, at := range o.facts {
			f := &c.facts[at]
			if _, ok := results[f.value]; !ok && c.committed(f) {
				c.bad(Unprocessed, "value %d at %d of key %d has no result", f.value, f.offset, k)
			}
		}
	}
}
