package instance

import "hash/fnv"

// PreferredFor gives the instance that should coordinate what has this name (a group, a
// transactional id): the highest rendezvous hash among all live instances. It knows no zones, since
// all clients must come to the same one. ok is false when live is empty.
func PreferredFor(live []Info, name string) (best Info, ok bool) {
	var bestHash uint64
	for i := range live {
		if w := namedWeight(live[i].Node, name); !ok || w > bestHash {
			best, bestHash, ok = live[i], w, true
		}
	}
	return best, ok
}

func namedWeight(node int32, name string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(name))
	return mix(mix(h.Sum64()) ^ uint64(uint32(node)))
}
