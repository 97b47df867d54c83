//go:build replay

package replay

import "runtime"

// Exact says whether this program was built for replay.
const Exact = true

// Seed begins the stream of chances of the bubble it is called in.
func Seed(seed uint64) { runtime.ReplaySeed(seed) } // which sim/replay/overlay adds
