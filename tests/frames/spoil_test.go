package frames

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"slices"
)

// spoil makes a stream of a conversation, always the same one of the same seed. Seed 0 leaves it as it is.
func spoil(c conversation, seed uint64) []byte {
	if seed == 0 {
		return c.stream()
	}
	r := rand.New(rand.NewPCG(seed, 0))
	frames := make(conversation, 0, len(c))
	for _, f := range c {
		frames = append(frames, bytes.Clone(f))
	}
	for range 1 + r.IntN(3) {
		frames = disorder(frames, r)
	}
	damaged := map[int]bool{}
	for range 1 + r.IntN(3) { // few: what comes before them is answered, and changes what they mean
		damaged[r.IntN(len(frames)+1)] = true
	}
	var out []byte
	for i, f := range frames {
		size := uint32(len(f))
		if damaged[i] {
			f, size = damage(f, r)
		}
		out = append(binary.BigEndian.AppendUint32(out, size), f...)
	}
	if r.IntN(8) == 0 && len(out) > 0 {
		out = out[:r.IntN(len(out))] // it ends in the middle
	}
	return out
}

// disorder changes which frames come when.
func disorder(c conversation, r *rand.Rand) conversation {
	if len(c) == 0 {
		return c
	}
	i, k := r.IntN(len(c)), r.IntN(len(c))
	switch r.IntN(5) {
	case 0:
		c[i], c[k] = c[k], c[i]
	case 1: // without ApiVersions, as a rule
		return c[1:]
	case 2: // once more, at once
		return append(c[:i:i], append(conversation{c[i]}, c[i:]...)...)
	case 3: // many times
		for range 30 {
			c = append(c, c[i])
		}
	case 4:
		return append(c[:i:i], c[i+1:]...)
	}
	return c
}

// damage changes one frame, and what its size is said to be.
func damage(f []byte, r *rand.Rand) ([]byte, uint32) {
	size := uint32(len(f))
	if len(f) < 8 {
		return f, size
	}
	f = bytes.Clone(f)
	switch r.IntN(8) {
	case 0: // cut short, and says so
		f = f[:r.IntN(len(f))]
		return f, uint32(len(f))
	case 1: // cut short, and does not
		return f[:r.IntN(len(f))], size
	case 2: // the size lies
		return f, []uint32{0, 1, 7, size - 1, size + 1, size + 1000, 1 << 20, 100 << 20, 1 << 30, 1<<31 - 1, 1 << 31, 1<<32 - 1}[r.IntN(12)]
	case 3: // another version
		binary.BigEndian.PutUint16(f[2:], uint16(r.IntN(22))-1)
	case 4: // another API
		binary.BigEndian.PutUint16(f, uint16(r.IntN(95)))
	case 5: // bits
		for range 1 + r.IntN(8) {
			f[r.IntN(len(f))] ^= 1 << r.IntN(8)
		}
	case 6: // a number that is very large, or negative
		at := r.IntN(len(f) - 4)
		binary.BigEndian.PutUint32(f[at:], []uint32{1<<31 - 1, 1 << 31, 1<<32 - 1, 1 << 24, 0}[r.IntN(5)])
	case 7: // bytes that do not belong there
		at := r.IntN(len(f))
		more := make([]byte, r.IntN(300))
		for i := range more {
			more[i] = byte(r.Uint32())
		}
		f = slices.Insert(f, at, more...)
	}
	return f, uint32(len(f))
}
