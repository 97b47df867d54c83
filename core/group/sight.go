package group

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/instance"
	"github.com/firnlog/firnlog/core/record"
)

// Sight is what one read of etcd says of a group and of one of its members: all of it at one revision.
type Sight struct {
	Group, Member string
	Revision      coordination.Revision
	State         *State // nil: the group is not there
	Seat          *Seat  // of the member; nil: it has none
	// Live are the instances that live.
	Live []instance.Info

	at     time.Time // when it was asked for
	mod    coordination.Revision
	format []byte
	seated map[string]bool // keys of seats
	grace  bool
}

// look reads a group, the seats of its members by name, one of them whole, and who lives. One request.
func (c *Coordinator) look(ctx context.Context, group, member string) (*Sight, error) {
	if group == "" {
		return nil, ErrInvalidGroup
	}
	ctx, cancel := c.io(ctx)
	defer cancel()
	s := &Sight{Group: group, Member: member, at: c.Now()}
	single := []string{c.Keys.Format(), c.Keys.Group(group), c.Keys.GroupGrace(group), c.Keys.GroupMember(group, member)}
	ranges := make([]coordination.Range, len(single), len(single)+2)
	for i, key := range single {
		ranges[i] = coordination.Range{Prefix: key, Limit: 1} // another one that begins alike comes after it
	}
	ranges = append(ranges, coordination.Range{Prefix: c.Keys.GroupMembers(group), KeysOnly: true}, coordination.Range{Prefix: c.Keys.Instances()})
	pages, err := c.KV.Read(ctx, ranges...)
	if err != nil {
		return nil, fmt.Errorf("%w: read group %q: %w", ErrUnavailable, group, err)
	}
	s.Revision = pages[0].Revision
	found := make([]coordination.Item, len(single))
	for i, key := range single {
		if items := pages[i].Items; len(items) > 0 && items[0].Key == key {
			found[i] = items[0]
		}
	}
	s.format, s.grace = found[0].Value, found[2].Create != 0
	if found[1].Create != 0 {
		s.mod = found[1].Mod
		if s.State, err = decodeState(found[1].Value); err != nil {
			c.Log.Error("group cannot be read", "group", group, "error", err)
			return nil, fmt.Errorf("%w: group %q: %w", ErrUnavailable, group, err)
		}
	}
	if own := found[3]; own.Create != 0 && member != "" {
		s.Seat = &Seat{Group: group, Member: member, Value: own.Value, lease: own.Lease, mod: own.Mod}
	}
	s.seated = map[string]bool{}
	for _, item := range pages[4].Items {
		s.seated[item.Key] = true
	}
	s.Live = instance.Serving(c.living(pages[5].Items))
	return s, nil
}

// living reads the records of instances, by node.
func (c *Coordinator) living(items []coordination.Item) (out []instance.Info) {
	for _, item := range items {
		node, ok := c.Keys.ParseInstance(item.Key)
		in := instance.Info{}
		if !ok || json.Unmarshal(item.Value, &in) != nil {
			continue
		}
		in.Node = node
		out = append(out, in)
	}
	slices.SortFunc(out, func(a, b instance.Info) int { return int(a.Node) - int(b.Node) })
	return out
}

// Wants are the topics that the group's members subscribe to by name; all: some of them by a regular expression.
func (s *Sight) Wants() (names []string, all bool) {
	if s.State == nil {
		return nil, false
	}
	for _, id := range s.State.ids() {
		member := s.State.Members[id]
		names = append(names, member.Names...)
		all = all || member.Regex != ""
	}
	return sortedNames(names), all
}

// unseated are the members that no seat speaks for.
func (s *Sight) unseated(keys coordination.Keys) (ids []string) {
	for _, id := range s.State.ids() {
		if !s.seated[keys.GroupMember(s.Group, id)] {
			ids = append(ids, id)
		}
	}
	return ids
}

// Assigned are the partitions that the member has as far as is stored, and those that it has still to give up.
func (s *Sight) Assigned() (out []record.TopicPartition) {
	if s.State == nil || s.State.Members[s.Member] == nil {
		return nil
	}
	member := s.State.Members[s.Member]
	for _, set := range []Partitions{member.Assigned, member.Revoking} {
		for _, id := range set.Topics() {
			for _, n := range set[id] {
				out = append(out, record.TopicPartition{Topic: id, Partition: n})
			}
		}
	}
	return out
}

// Look reads a group anew. What it gives is used once more by FindSeat and by the next step of the same group, if these come soon.
func (v *Visitor) Look(ctx context.Context, group, member string) (*Sight, error) {
	s, err := v.look(ctx, group, member)
	if err != nil {
		return nil, err
	}
	v.seen.Lock()
	defer v.seen.Unlock()
	v.seen.sight, v.seen.forSeat, v.seen.forMember = s, true, true
	return s, nil
}

// FindSeat reads a seat, and the group with it.
func (v *Visitor) FindSeat(ctx context.Context, group, member string) (*Seat, error) {
	if group == "" || member == "" {
		return nil, ErrSeatGone
	}
	v.seen.Lock()
	s, usable := v.seen.sight, v.seen.forSeat
	v.seen.forSeat = false
	v.seen.Unlock()
	if !usable || !v.fits(s, group) || s.Member != member {
		var err error
		if s, err = v.Look(ctx, group, member); err != nil {
			return nil, err
		}
		v.seen.Lock()
		v.seen.forSeat = false
		v.seen.Unlock()
	}
	if s.Seat == nil {
		return nil, fmt.Errorf("%w: %q in %q", ErrSeatGone, member, group)
	}
	seat := *s.Seat
	return &seat, nil
}

// fits says that a sight is of this group, of this life of the cluster, and not old.
func (v *Visitor) fits(s *Sight, group string) bool {
	age := time.Duration(0)
	if s != nil {
		age = v.Now().Sub(s.at)
	}
	return s != nil && s.Group == group && age >= 0 && age < sightAge
}

// Sight gives what was last seen of a group, if that may still be used; else it looks.
func (v *Visitor) Sight(ctx context.Context, group, member string) (*Sight, error) {
	v.seen.Lock()
	s, usable := v.seen.sight, v.seen.forMember
	v.seen.Unlock()
	if usable && v.fits(s, group) {
		return s, nil
	}
	return v.Look(ctx, group, member)
}

// Spend says that the sight has been used for a step: what comes after it looks anew.
func (v *Visitor) Spend() {
	v.seen.Lock()
	defer v.seen.Unlock()
	v.seen.forMember = false
}

// Forget drops what was seen: a new request begins.
func (v *Visitor) Forget() {
	v.seen.Lock()
	defer v.seen.Unlock()
	v.seen.sight = nil
}
