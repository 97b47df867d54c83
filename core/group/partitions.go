package group

import (
	"hash/fnv"
	"maps"
	"slices"

	"github.com/firnlog/firnlog/core/record"
)

// Partitions is a set of partitions: by topic, in order, none empty. Its methods change nothing.
type Partitions map[record.TopicID][]int32

// Gather makes a set of what fill adds, in any order and more than once.
func Gather(fill func(add func(topic record.TopicID, partitions ...int32))) Partitions {
	out := Partitions{}
	fill(func(topic record.TopicID, partitions ...int32) {
		if len(partitions) > 0 {
			out[topic] = append(out[topic], partitions...)
		}
	})
	for topic, list := range out {
		slices.Sort(list)
		out[topic] = slices.Compact(list)
	}
	return out
}

// With gives the set with partitions of a topic added.
func (p Partitions) With(topic record.TopicID, partitions ...int32) Partitions {
	out := maps.Clone(p)
	if out == nil {
		out = Partitions{}
	}
	all := slices.Concat(out[topic], partitions)
	slices.Sort(all)
	if all = slices.Compact(all); len(all) > 0 {
		out[topic] = all
	}
	return out
}

func (p Partitions) has(topic record.TopicID, partition int32) bool {
	_, ok := slices.BinarySearch(p[topic], partition)
	return ok
}

// count is how many partitions there are.
func (p Partitions) count() (n int) {
	for _, list := range p {
		n += len(list)
	}
	return n
}

// filter keeps those that keep says yes to.
func (p Partitions) filter(keep func(topic record.TopicID, partition int32) bool) Partitions {
	out := Partitions{}
	for topic, list := range p {
		var kept []int32
		for _, n := range list {
			if keep(topic, n) {
				kept = append(kept, n)
			}
		}
		if len(kept) > 0 {
			out[topic] = kept
		}
	}
	return out
}

func (p Partitions) both(other Partitions) Partitions { return p.filter(other.has) }

func (p Partitions) without(other Partitions) Partitions {
	return p.filter(func(t record.TopicID, n int32) bool { return !other.has(t, n) })
}

func (p Partitions) plus(other Partitions) Partitions {
	out := maps.Clone(p)
	if out == nil {
		out = Partitions{}
	}
	for topic, list := range other {
		all := slices.Concat(out[topic], list)
		slices.Sort(all)
		out[topic] = slices.Compact(all)
	}
	return out
}

func (p Partitions) equal(other Partitions) bool { return maps.EqualFunc(p, other, slices.Equal) }

func (p Partitions) within(other Partitions) bool { return p.without(other).count() == 0 }

// Topics are the set's topics in order.
func (p Partitions) Topics() []record.TopicID {
	return slices.SortedFunc(maps.Keys(p), func(a, b record.TopicID) int { return slices.Compare(a[:], b[:]) })
}

// Topic is what an assignment needs to know of a topic.
type Topic struct {
	Name       string
	ID         record.TopicID
	Partitions int32
}

// Catalog is all topics at one moment. It does not change.
type Catalog struct {
	topics []Topic // by name
	byName map[string]int
	byID   map[record.TopicID]int
}

// NewCatalog makes a Catalog.
func NewCatalog(topics []Topic) *Catalog {
	c := &Catalog{topics: slices.Clone(topics), byName: map[string]int{}, byID: map[record.TopicID]int{}}
	slices.SortFunc(c.topics, func(a, b Topic) int {
		if a.Name < b.Name {
			return -1
		}
		return 1
	})
	for i, t := range c.topics {
		c.byName[t.Name], c.byID[t.ID] = i, i
	}
	return c
}

func (c *Catalog) name(name string) (Topic, bool) {
	i, ok := c.byName[name]
	if !ok {
		return Topic{}, false
	}
	return c.topics[i], true
}

func (c *Catalog) id(id record.TopicID) (Topic, bool) {
	i, ok := c.byID[id]
	if !ok {
		return Topic{}, false
	}
	return c.topics[i], true
}

// fingerprint changes when one of these topics does: made anew, or grown.
func fingerprint(topics []Topic) uint64 {
	h := fnv.New64a()
	for _, t := range topics {
		h.Write(t.ID[:])
		h.Write([]byte{byte(t.Partitions >> 24), byte(t.Partitions >> 16), byte(t.Partitions >> 8), byte(t.Partitions)})
	}
	return h.Sum64()
}
