package group

import (
	"slices"
	"strings"

	"github.com/firnlog/firnlog/core/record"
)

// The server's assignors.
const (
	assignUniform = "uniform"
	assignRange   = "range"
)

// assign gives every partition of all topics to one of its subscribers. before is the last target, which
// uniform keeps to as far as balance allows.
func assign(assignor string, each []subscription, before map[string]Partitions, all []Topic) map[string]Partitions {
	each = slices.SortedFunc(slices.Values(each), func(a, b subscription) int { return strings.Compare(a.order, b.order) })
	subscribers := map[record.TopicID][]int{} // indexes into each
	for i, s := range each {
		for _, t := range s.topics {
			subscribers[t.ID] = append(subscribers[t.ID], i)
		}
	}
	owners := map[record.TopicID][]int{}
	if assignor == assignRange {
		ranges(owners, subscribers, all)
	} else {
		u := uniform{owners: owners, subscribers: subscribers, topics: all, load: make([]int, len(each))}
		u.keep(each, before)
		u.fill()
		u.balance()
	}
	out := map[string]Partitions{}
	for _, s := range each {
		out[s.member] = Partitions{}
	}
	for topic, list := range owners {
		for n, i := range list {
			p := out[each[i].member]
			p[topic] = append(p[topic], int32(n))
		}
	}
	return out
}

// ranges cuts each topic into as many runs as it has subscribers, the longer ones first. Topics with the
// same subscribers and as many partitions are cut alike, so that their partitions go together.
func ranges(owners, subscribers map[record.TopicID][]int, all []Topic) {
	for _, t := range all {
		who := subscribers[t.ID]
		size, rest := int(t.Partitions)/len(who), int(t.Partitions)%len(who)
		for k, i := range who {
			n := size
			if k < rest {
				n++
			}
			owners[t.ID] = append(owners[t.ID], slices.Repeat([]int{i}, n)...)
		}
	}
}

// uniform spreads partitions so that no member has two more than another that could take one, and moves no
// more of them than that takes.
type uniform struct {
	owners, subscribers map[record.TopicID][]int
	topics              []Topic
	load                []int
}

const nobody = -1

// keep begins with what members had, where they still subscribe.
func (u *uniform) keep(each []subscription, before map[string]Partitions) {
	for _, t := range u.topics {
		u.owners[t.ID] = slices.Repeat([]int{nobody}, int(t.Partitions))
		for _, i := range u.subscribers[t.ID] {
			for _, n := range before[each[i].member][t.ID] {
				if n < t.Partitions && u.owners[t.ID][n] == nobody {
					u.owners[t.ID][n] = i
					u.load[i]++
				}
			}
		}
	}
}

// fill gives what nobody has to who has least. Topics with few subscribers come first: they leave less choice.
func (u *uniform) fill() {
	order := slices.SortedStableFunc(slices.Values(u.topics), func(a, b Topic) int {
		return len(u.subscribers[a.ID]) - len(u.subscribers[b.ID])
	})
	for _, t := range order {
		for n, i := range u.owners[t.ID] {
			if i == nobody {
				best := u.least(t.ID)
				u.owners[t.ID][n] = best
				u.load[best]++
			}
		}
	}
}

func (u *uniform) least(topic record.TopicID) int {
	who := u.subscribers[topic]
	best := who[0]
	for _, i := range who[1:] {
		if u.load[i] < u.load[best] {
			best = i
		}
	}
	return best
}

// balance moves partitions from who has more to who has less, until no move helps. Each move makes the sum of
// squares of the loads smaller, so it ends.
func (u *uniform) balance() {
	for moved := true; moved; {
		moved = false
		for _, t := range u.topics {
			for n, i := range u.owners[t.ID] {
				if best := u.least(t.ID); u.load[i] > u.load[best]+1 {
					u.owners[t.ID][n] = best
					u.load[i]--
					u.load[best]++
					moved = true
				}
			}
		}
	}
}
