package ingest

import (
	"fmt"
	"time"
)

// A batch must not be committed long after it came. Its producer has sent it to another instance by then, and is remembered there for a
// day (upkeep's ProducerExpiry): a copy that is held for longer, by an instance that was cut off, frozen or asleep all the time, would begin a new
// producer and be appended twice. So what is older than HeldMax is answered as not appended before it is sealed, or sealed anew; from there on
// the floor gives it one lag.

// HeldMax is far above what clients wait for an answer, and far below what producers are remembered for.
const HeldMax = 5 * time.Minute

// errHeld: trying again is safe, since nothing was committed.
var errHeld = fmt.Errorf("%w: held for too long", ErrNotAppended)

// elapsed is the time between two readings of the clock. The monotonic one may stand still while a machine sleeps or a function is frozen; the
// other one may be set. The longer counts: who is told to send again loses nothing.
func elapsed(from, to time.Time) time.Duration {
	return max(to.Sub(from), to.Round(0).Sub(from.Round(0)))
}

// young answers those that are held for too long, and gives the others.
func (g *Ingest) young(items []item) []item {
	kept := items[:0]
	for i := range items {
		if g.tooOld(&items[i]) {
			g.done(&items[i], *refuse(errHeld))
			continue
		}
		kept = append(kept, items[i])
	}
	return kept
}

func (g *Ingest) tooOld(it *item) bool {
	return g.HeldMax > 0 && elapsed(it.arrived, time.Now()) > g.HeldMax
}
