//go:build stack

package stack_test

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"hash"
	"slices"
	"sort"
)

// keyedDigest is a checksum over the sequence of values of each key, in the order given: equal
// only if every key has the same values, in the same order, with the same bytes.
// clients/read.py computes the same.
func keyedDigest(records []rec) string {
	sequences := map[string]hash.Hash{}
	for _, r := range records {
		h := sequences[r.key]
		if h == nil {
			h = sha256.New()
			sequences[r.key] = h
		}
		addTo(h, []byte(r.value))
	}
	keys := make([]string, 0, len(sequences))
	for k := range sequences {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	all := sha256.New()
	for _, k := range keys {
		addTo(all, []byte(k))
		all.Write(sequences[k].Sum(nil))
	}
	return hex.EncodeToString(all.Sum(nil))
}

// bagDigest is a checksum over all values whatever their order: for records without keys, which
// a producer spreads over partitions as it likes.
func bagDigest(records []rec) string {
	sums := make([][sha256.Size]byte, len(records))
	for i, r := range records {
		sums[i] = sha256.Sum256([]byte(r.value))
	}
	slices.SortFunc(sums, func(a, b [sha256.Size]byte) int { return slices.Compare(a[:], b[:]) })
	all := sha256.New()
	for _, s := range sums {
		all.Write(s[:])
	}
	return hex.EncodeToString(all.Sum(nil))
}

func addTo(h hash.Hash, b []byte) {
	var size [4]byte
	binary.BigEndian.PutUint32(size[:], uint32(len(b)))
	h.Write(size[:])
	h.Write(b)
}

// digest is the one that fits the data.
func (d dataset) digest(records []rec) string {
	if d.keyed {
		return keyedDigest(records)
	}
	return bagDigest(records)
}
