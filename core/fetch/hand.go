package fetch

import (
	"github.com/firnlog/firnlog/core/cache"
	"github.com/firnlog/firnlog/core/record"
)

// How chosen batches are handed over.
//
// Who owns what it gets (Result.Batches) gets a copy. Who only passes it on (Request.InPieces) gets the very memory of the cache, but for
// the head of each batch, where its offset is set: that is copied, since stored bytes never change. Evicting an object
// takes nothing from those who hold a part of it; it is freed after them.
//
// So a reader that is slow to pass on keeps objects in memory that the cache has let go of. Two rules bound that. An object is
// referred to only where at least a quarter of it is handed over: else its parts are copied as ever. And what is held, not what is
// handed over, is asked of Reserve; where that has no room, all is copied. (A half would not do: with limits for each
// partition, answers to who reads on end within objects, and the smaller half would be copied each time.)

const (
	// stampBytes at the beginning of a batch are the copy that bears its offset.
	stampBytes = 16
	// referBytesMin is from which length on a part is referred to; less is cheaper to copy.
	referBytesMin = 4 << 10
	// keptMax is how many times its size an answer may keep of an object.
	keptMax = 4
)

// hand fills in the batches of the results, total bytes in all.
func hand(chosen []choice, r Request, total int, results []Result) {
	var objects map[*cache.Object]bool
	if r.InPieces && total >= referBytesMin {
		objects = worthwhile(chosen)
		if held := heldBy(objects, chosen); held > total && r.Reserve != nil && r.Reserve(held) < held {
			objects = nil
			r.Reserve(total)
		}
	}
	seen := map[*cache.Object]bool{}
	for i := range chosen {
		c, out := &chosen[i], &results[i]
		if out.end = c.end; c.size == 0 {
			continue
		}
		if !r.InPieces {
			out.Batches, out.Held = c.copied(), c.size
			continue
		}
		var copied int
		out.Pieces, copied = c.pieces(objects)
		out.Held = copied
		for k := range c.parts {
			if o := c.parts[k].object; c.parts[k].refers(objects) && !seen[o] {
				seen[o] = true
				out.Held += int(o.Keeps())
			}
		}
	}
}

// worthwhile are the objects that may be referred to.
func worthwhile(chosen []choice) map[*cache.Object]bool {
	used := map[*cache.Object]int64{}
	for i := range chosen {
		for k := range chosen[i].parts {
			if t := &chosen[i].parts[k]; t.object != nil && len(t.bytes) >= referBytesMin {
				used[t.object] += int64(len(t.bytes))
			}
		}
	}
	objects := map[*cache.Object]bool{}
	for o, bytes := range used {
		if keptMax*bytes >= o.Keeps() {
			objects[o] = true
		}
	}
	return objects
}

// heldBy is how much memory the results will keep.
func heldBy(objects map[*cache.Object]bool, chosen []choice) (held int) {
	for o := range objects {
		held += int(o.Keeps())
	}
	for i := range chosen {
		held += chosen[i].copies(objects)
	}
	return held
}

func (t *part) refers(objects map[*cache.Object]bool) bool {
	return len(t.bytes) >= referBytesMin && objects[t.object]
}

// copies is how many bytes of the choice are copied.
func (c *choice) copies(objects map[*cache.Object]bool) (size int) {
	for k := range c.parts {
		switch t := &c.parts[k]; {
		case !t.refers(objects):
			size += len(t.bytes)
		case !t.stamped:
			size += stampBytes
		}
	}
	return size
}

// copied is a copy of it all, with offsets.
func (c *choice) copied() []byte {
	out := make([]byte, 0, c.size)
	for k := range c.parts {
		out = c.parts[k].appendTo(out, len(c.parts[k].bytes))
	}
	return out
}

// appendTo copies the first n bytes of a part, and sets its offset in the copy.
func (t *part) appendTo(out []byte, n int) []byte {
	at := len(out)
	out = append(out, t.bytes[:n]...)
	if !t.stamped {
		record.Stamp(out[at:], t.base)
	}
	return out
}

// pieces refers to what may be referred to, and copies the rest into one buffer.
func (c *choice) pieces(objects map[*cache.Object]bool) (out [][]byte, copied int) {
	buffer := make([]byte, 0, c.copies(objects)) // never grows: pieces point into it
	done := 0                                    // of the buffer
	flush := func() {
		if len(buffer) > done {
			out = append(out, buffer[done:len(buffer):len(buffer)])
			done = len(buffer)
		}
	}
	for k := range c.parts {
		t := &c.parts[k]
		if !t.refers(objects) {
			buffer = t.appendTo(buffer, len(t.bytes))
			continue
		}
		head := 0
		if !t.stamped {
			head = stampBytes
			buffer = t.appendTo(buffer, head)
		}
		flush()
		out = append(out, t.bytes[head:len(t.bytes):len(t.bytes)])
	}
	flush()
	return out, len(buffer)
}
