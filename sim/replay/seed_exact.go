//go:build replay

package replay

import (
	"fmt"
	"runtime"
)

// Exact says whether this program was built for replay.
const Exact = true

// Seed begins the stream of chances of the bubble it is called in.
func Seed(seed uint64) {
	if n := runtime.GOMAXPROCS(0); n != 1 {
		panic(fmt.Sprintf("replay on %d processors: set GOMAXPROCS=1", n))
	}
	runtime.ReplaySeed(seed) // which sim/replay/overlay adds
}
