package queues

import "slices"

// graph has an edge from each transaction to those that depend on it.
type graph [][]int32

// cycles looks for transactions that depend on themselves. One that has read another's records comes after it (wr), and
// so does one that has written behind it (ww). Kafka does not keep transactions apart that write at once: cycles with a ww edge are
// legal. A cycle of reads alone is not, since nothing is read before its transaction has ended.
func (c *checker) cycles() {
	wr, ww := c.readEdges(), c.writeEdges()
	for _, component := range components(wr) {
		op := &c.ops[component[0]]
		c.bad(G1c, "%d transactions have read each other's values, process %d's of %v among them", len(component), op.Process, op.Start)
	}
	for range components(ww) {
		c.legal(G0)
	}
	both := make(graph, len(c.ops))
	for i := range both {
		both[i] = append(slices.Clip(wr[i]), ww[i]...)
	}
	for _, component := range components(both) {
		in := map[int32]bool{}
		for _, n := range component {
			in[n] = true
		}
		if slices.ContainsFunc(component, func(n int32) bool { return slices.ContainsFunc(wr[n], func(to int32) bool { return in[to] }) }) {
			c.legal(G1cByWrites)
		}
	}
}

// took says that a transaction came to be.
func (c *checker) took(i int32) bool {
	op := &c.ops[i]
	if !op.Transaction || op.Outcome == Failed {
		return false
	}
	return op.Outcome == Done || slices.ContainsFunc(op.Steps, func(s Step) bool { return s.Sent && c.at(s.Value).seenCommitted })
}

func (c *checker) readEdges() graph {
	g := make(graph, len(c.ops))
	for i := range c.ops {
		op := &c.ops[i]
		if op.Uncommitted || !c.took(int32(i)) {
			continue
		}
		for k := range op.Steps {
			w := c.at(op.Steps[k].Value).writer
			if op.Steps[k].Sent || w == nobody || w == int32(i) || !c.ops[w].Transaction {
				continue
			}
			if n := len(g[w]); n == 0 || g[w][n-1] != int32(i) {
				g[w] = append(g[w], int32(i))
			}
		}
	}
	return g
}

func (c *checker) writeEdges() graph {
	g := make(graph, len(c.ops))
	for _, k := range c.keys() {
		last := int32(nobody)
		for _, at := range c.orders[k].facts {
			f := &c.facts[at]
			if f.writer == nobody || !c.ops[f.writer].Transaction || !c.committed(f) {
				continue
			}
			if last != nobody && last != f.writer {
				g[last] = append(g[last], f.writer)
			}
			last = f.writer
		}
	}
	return g
}

// components gives the strongly connected components of more than one node (Tarjan's algorithm, with a stack of its
// own: a history is deeper than a goroutine's).
func components(g graph) (out [][]int32) {
	type frame struct{ node, edge int32 }
	order, low := make([]int32, len(g)), make([]int32, len(g)) // order 0: not visited
	onStack := make([]bool, len(g))
	var stack []int32
	var next int32
	for root := range g {
		if order[root] != 0 || len(g[root]) == 0 {
			continue
		}
		calls := []frame{{node: int32(root)}}
		for len(calls) > 0 {
			top := &calls[len(calls)-1]
			n := top.node
			if top.edge == 0 && order[n] == 0 {
				next++
				order[n], low[n], onStack[n] = next, next, true
				stack = append(stack, n)
			}
			if int(top.edge) < len(g[n]) {
				to := g[n][top.edge]
				top.edge++
				if order[to] == 0 {
					calls = append(calls, frame{node: to})
				} else if onStack[to] {
					low[n] = min(low[n], order[to])
				}
				continue
			}
			calls = calls[:len(calls)-1]
			if len(calls) > 0 {
				parent := calls[len(calls)-1].node
				low[parent] = min(low[parent], low[n])
			}
			if low[n] != order[n] {
				continue
			}
			from := len(stack) - 1
			for stack[from] != n {
				from--
			}
			for _, m := range stack[from:] {
				onStack[m] = false
			}
			if len(stack)-from > 1 {
				out = append(out, slices.Clone(stack[from:]))
			}
			stack = stack[:from]
		}
	}
	return out
}
