package compact

import (
	"crypto/sha256"
	"encoding/binary"

	"github.com/firnlog/firnlog/core/record"
)

// offsets says for each key of a stretch of the log where its last record is. Its size is fixed, however many keys there
// are: of a key it holds a hash of 16 bytes. Two keys with one hash would cost a record, so the hash is one for which
// nobody can find two (SHA-256, cut), unlike the MD5 of others.
type offsets struct {
	slots []slot
	used  int
	most  int // keys that it takes: beyond that, looking for a place takes too long
}

type slot struct {
	key [16]byte
	at  record.Offset // + 1; 0: free
}

const (
	slotBytes = 24
	// fill is the share of slots that is used, in percent.
	fill = 90
)

// newOffsets makes one of so many bytes, for at least one key.
func newOffsets(bytes int64) *offsets {
	n := max(bytes/slotBytes, 2)
	return &offsets{slots: make([]slot, n), most: max(int(n)*fill/100, 1)}
}

// clear forgets all keys and keeps the memory.
func (o *offsets) clear() {
	clear(o.slots)
	o.used = 0
}

// find gives the slot of a key, or the free one where it belongs.
func (o *offsets) find(key []byte) *slot {
	sum := sha256.Sum256(key)
	n := uint64(len(o.slots))
	for i := binary.BigEndian.Uint64(sum[:]) % n; ; i = (i + 1) % n {
		if s := &o.slots[i]; s.at == 0 || s.key == [16]byte(sum[:16]) {
			copy(s.key[:], sum[:16])
			return s
		}
	}
}

// put notes a record of key; offsets come in ascending order. It is false, and nothing is noted, when there is no room for
// another key.
func (o *offsets) put(key []byte, at record.Offset) bool {
	s := o.find(key)
	if s.at == 0 {
		if o.used == o.most {
			return false
		}
		o.used++
	}
	s.at = at + 1
	return true
}

// last gives where the last record of key is that was noted, or -1.
func (o *offsets) last(key []byte) record.Offset { return o.find(key).at - 1 }
