//go:build !replay

package replay

// Exact says whether this program was built for replay.
const Exact = false

// Seed begins the stream of chances of the bubble it is called in.
func Seed(uint64) {}
