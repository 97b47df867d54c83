package bench

import (
	"math"
	"slices"
	"sync"
	"time"
)

// Times are the durations of many operations. Safe for concurrent use.
type Times struct {
	mu    sync.Mutex
	all   []int32 // microseconds
	ready bool
}

// Add counts one more.
func (t *Times) Add(d time.Duration) {
	us := int32(min(d.Microseconds(), math.MaxInt32)) //nolint:gosec // bounded
	t.mu.Lock()
	defer t.mu.Unlock()
	t.all = append(t.all, us)
	t.ready = false
}

// At is the time below which the given share of operations stayed; 0 if there was none.
func (t *Times) At(share float64) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.all) == 0 {
		return 0
	}
	if !t.ready {
		slices.Sort(t.all)
		t.ready = true
	}
	i := min(len(t.all)-1, int(share*float64(len(t.all))))
	return time.Duration(t.all[i]) * time.Microsecond
}

// Count is how many there were.
func (t *Times) Count() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.all)
}
