package instance

import (
	"encoding/binary"
	"hash/fnv"

	"github.com/firnlog/firnlog/core/record"
)

// Preferred gives the instance that a partition's clients should talk to: the
// highest rendezvous hash among the live instances of zone, or among all if zone
// is empty or has none. ok is false when live is empty.
func Preferred(live []Info, tp record.TopicPartition, zone string) (Info, bool) {
	ranked := Ranked(live, tp, zone, 1)
	if len(ranked) == 0 {
		return Info{}, false
	}
	return ranked[0], true
}

// Ranked gives up to n instances by falling hash, those of zone first.
func Ranked(live []Info, tp record.TopicPartition, zone string, n int) []Info {
	n = min(n, len(live))
	taken := make([]bool, len(live))
	out := make([]Info, 0, n)
	for len(out) < n {
		best, bestHash := -1, uint64(0)
		for i := range live {
			if h := weight(live[i], tp, zone); !taken[i] && (best < 0 || h > bestHash) {
				best, bestHash = i, h
			}
		}
		taken[best] = true
		out = append(out, live[best])
	}
	return out
}

// weight is the rendezvous hash; its top bit is set for instances of the asked zone.
func weight(in Info, tp record.TopicPartition, zone string) uint64 {
	var buf [24]byte
	copy(buf[:], tp.Topic[:])
	binary.BigEndian.PutUint32(buf[16:], uint32(tp.Partition))
	binary.BigEndian.PutUint32(buf[20:], uint32(in.Node))
	h := fnv.New64a()
	h.Write(buf[:])
	w := mix(h.Sum64()) >> 1
	if zone != "" && in.Zone == zone {
		w |= 1 << 63
	}
	return w
}

// mix spreads FNV's weak low bits (the finalizer of splitmix64, Steele et al. 2014).
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
