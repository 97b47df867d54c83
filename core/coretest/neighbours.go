package coretest

import (
	"slices"
	"sync"

	"github.com/firnlog/firnlog/core/instance"
)

// Neighbours are the live instances as one of them believes: it need not be true.
type Neighbours struct {
	node int32
	mu   struct {
		sync.Mutex
		live []int32
	}
}

// NewNeighbours are those of an instance that believes that these live.
func NewNeighbours(node int32, live ...int32) *Neighbours {
	n := &Neighbours{node: node}
	n.mu.live = slices.Clone(live)
	return n
}

// Self is this instance's node id.
func (n *Neighbours) Self() int32 { return n.node }

// Live lists those that it takes for alive.
func (n *Neighbours) Live() (out []instance.Info) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, node := range n.mu.live {
		out = append(out, instance.Info{Node: node})
	}
	return out
}

// Believe changes what it believes: those live of whom lives says so, and itself.
func (n *Neighbours) Believe(nodes int32, lives func(node int32, believed bool) bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	var next []int32
	for node := range nodes {
		if node == n.node || lives(node, slices.Contains(n.mu.live, node)) {
			next = append(next, node)
		}
	}
	n.mu.live = next
}
