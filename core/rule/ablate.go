//go:build ablate

package rule

import "sync/atomic"

// off is the set of rules that are switched off, a bit each. It is the one
// global of the module: an ablated build exists to break the process as a whole.
var off atomic.Uint64

// On says whether the rule holds.
func On(r Rule) bool { return off.Load()&(1<<r) == 0 }

// Without switches a rule off until the returned function is called.
func Without(r Rule) (restore func()) {
	off.Store(off.Load() | 1<<r)
	return func() { off.Store(off.Load() &^ (1 << r)) }
}
