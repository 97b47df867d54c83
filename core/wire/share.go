package wire

import "golang.org/x/sync/semaphore"

// share is what one fetch answer holds of the memory for large answers, from before its bytes are
// gathered until they are written. Small answers need none.
//
// It never waits: a client that does not read what it asked for would make others wait. What is
// not there makes the answer shorter.
type share struct {
	of   *semaphore.Weighted
	held int64
}

// reserve takes room for want bytes, or for a half, a quarter… of it; 0 when there is none. What
// was held before is given back.
func (h *share) reserve(want int) (granted int) {
	h.give()
	for n := int64(want); n > writeChunk; n /= 2 {
		if h.of.TryAcquire(n) {
			h.held = n
			return int(n)
		}
	}
	if want <= writeChunk {
		return want
	}
	return 0
}

// settle makes it as large as an answer has become; false when there is no room, and then it holds nothing.
func (h *share) settle(size int) bool {
	need := int64(size)
	if need <= writeChunk {
		h.give()
		return true
	}
	switch {
	case need < h.held:
		h.of.Release(h.held - need)
	case need > h.held && !h.of.TryAcquire(need-h.held):
		h.give()
		return false
	}
	h.held = need
	return true
}

// give gives all of it back.
func (h *share) give() {
	if h.held > 0 {
		h.of.Release(h.held)
		h.held = 0
	}
}
