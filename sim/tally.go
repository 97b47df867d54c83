package sim

import (
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Tally is what a history adds to a total.
type Tally struct {
	Virtual      time.Duration
	Operations   int            // what clients and admins asked for
	Transactions int            // whose end was answered
	Faults       map[string]int // by kind
}

// counter counts while a history goes on.
type counter struct {
	operations atomic.Int64
	mu         struct {
		sync.Mutex
		faults map[string]int
	}
}

func (c *counter) fault(kind string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.mu.faults == nil {
		c.mu.faults = map[string]int{}
	}
	c.mu.faults[kind]++
}

func (c *counter) tally(virtual time.Duration, transactions int) Tally {
	c.mu.Lock()
	defer c.mu.Unlock()
	return Tally{Virtual: virtual, Operations: int(c.operations.Load()), Transactions: transactions, Faults: c.mu.faults}
}

// results of calls that are faults, by how they begin.
var faultResults = []string{"refused", "answer lost", "lost", "held back", "failed", "abandoned", "503", "stuck"}

// faultOf names the kind of fault that an entry of the transcript tells of; "": none, or a consequence of another one.
func faultOf(op, result string) string {
	switch op {
	case "pause", "kill", "cut", "cut store", "compact", "clock jump", "zone outage", "storm":
		return op
	case "broken":
		return "watch broken"
	}
	for _, r := range faultResults {
		if strings.HasPrefix(result, r) {
			return op + " " + r
		}
	}
	return ""
}
