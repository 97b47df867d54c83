package memory

import (
	"slices"
	"sort"
	"strings"

	"github.com/firnlog/firnlog/coordination"
)

// index holds the history of every key, by key and in byte order. The order is kept in chunks of
// bounded size: a new key moves at most one chunk.
type index struct {
	byKey  map[string]*history
	chunks [][]*history // none is empty
}

const chunkKeysMax = 512

// history is one key's versions, oldest first. A deletion is a version without value.
type history struct {
	key      string
	versions []version
}

type version struct {
	value       []byte // nil: deleted
	create, mod coordination.Revision
	lease       coordination.LeaseID
}

func (x *index) init() { x.byKey = map[string]*history{} }

// at gives the version that was valid at rev; the zero version if the key was not there.
func (h *history) at(rev coordination.Revision) version {
	n := len(h.versions)
	if n == 0 || h.versions[n-1].mod > rev {
		n = sort.Search(n, func(i int) bool { return h.versions[i].mod > rev })
	}
	if n == 0 || h.versions[n-1].value == nil {
		return version{}
	}
	return h.versions[n-1]
}

func (h *history) last() version {
	v := h.versions[len(h.versions)-1]
	if v.value == nil {
		return version{}
	}
	return v
}

func (v version) item(key string) coordination.Item {
	return coordination.Item{Key: key, Value: v.value, Create: v.create, Mod: v.mod, Lease: v.lease}
}

// live gives the newest version of key; the zero version if it is not there.
func (x *index) live(key string) version {
	if h := x.byKey[key]; h != nil {
		return h.last()
	}
	return version{}
}

func (x *index) newest(key string) coordination.Item { return x.live(key).item(key) }

// add appends a version to key's history.
func (x *index) add(key string, v version) {
	h := x.byKey[key]
	if h == nil {
		h = &history{key: key}
		x.byKey[key] = h
		x.insert(h)
	}
	h.versions = append(h.versions, v)
}

func (x *index) insert(h *history) {
	if len(x.chunks) == 0 {
		x.chunks = append(x.chunks, []*history{h})
		return
	}
	c := x.chunkOf(h.key)
	i, _ := slices.BinarySearchFunc(x.chunks[c], h.key, byKey)
	x.chunks[c] = slices.Insert(x.chunks[c], i, h)
	if n := len(x.chunks[c]); n > chunkKeysMax {
		tail := slices.Clone(x.chunks[c][n/2:])
		x.chunks[c] = slices.Delete(x.chunks[c], n/2, n)
		x.chunks = slices.Insert(x.chunks, c+1, tail)
	}
}

func byKey(h *history, key string) int { return strings.Compare(h.key, key) }

// chunkOf gives the last chunk that begins at or before key, or the first one.
func (x *index) chunkOf(key string) int {
	n := sort.Search(len(x.chunks), func(i int) bool { return x.chunks[i][0].key > key })
	return max(n-1, 0)
}

// below walks the histories of keys that begin with prefix, from the key from on.
func (x *index) below(prefix, from string, yield func(*history) bool) {
	if from < prefix {
		from = prefix
	}
	if len(x.chunks) == 0 {
		return
	}
	c := x.chunkOf(from)
	i, _ := slices.BinarySearchFunc(x.chunks[c], from, byKey)
	for ; c < len(x.chunks); c, i = c+1, 0 {
		for _, h := range x.chunks[c][i:] {
			if !strings.HasPrefix(h.key, prefix) || !yield(h) {
				return
			}
		}
	}
}

// list answers a Range as of at.
func (x *index) list(r coordination.Range, at coordination.Revision) (items []coordination.Item, more bool) {
	from := r.Prefix
	if r.After != "" {
		from = r.After + "\x00"
	}
	x.below(r.Prefix, from, func(h *history) bool {
		v := h.at(at)
		if v.value == nil || v.create < r.MinCreate {
			return true
		}
		if r.Limit > 0 && len(items) == r.Limit {
			more = true
			return false
		}
		if r.KeysOnly {
			v.value, v.lease = []byte{}, 0
		}
		items = append(items, v.item(h.key))
		return true
	})
	return items, more
}

// compact keeps of each key what a read at rev or later can see.
func (x *index) compact(rev coordination.Revision) {
	var order []*history
	for _, chunk := range x.chunks {
		for _, h := range chunk {
			h.compact(rev)
			if len(h.versions) == 0 {
				delete(x.byKey, h.key)
				continue
			}
			order = append(order, h)
		}
	}
	x.chunks = nil
	for chunk := range slices.Chunk(order, chunkKeysMax/2) {
		x.chunks = append(x.chunks, slices.Clone(chunk))
	}
}

func (h *history) compact(rev coordination.Revision) {
	n := sort.Search(len(h.versions), func(i int) bool { return h.versions[i].mod > rev })
	if n == 0 {
		return
	}
	if h.versions[n-1].value != nil {
		n-- // still what a read at rev sees
	}
	h.versions = slices.Clone(h.versions[n:])
}
