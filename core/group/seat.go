package group

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/firnlog/firnlog/coordination"
)

// Seat is a member of a group that no instance holds in memory: what it must know lies in groups/<group>/members/<m>, so that
// any instance serves any of its requests. The key is leased, and each request that finds a part of the lease used up
// takes a new one: no lease is ever renewed in the background, and a member that asks for nothing ends with its lease.
//
// Each change compares the key's mod revision: of two requests at the same time, one begins anew.
type Seat struct {
	Group, Member string
	Value         []byte // what the front end keeps; not looked into here
	TTL           time.Duration
	// LeasedAt is when the present lease was taken, by the clock of the instance that did.
	LeasedAt time.Time

	lease coordination.LeaseID
	mod   coordination.Revision
}

// leaseUsedMax is the part of its lease that a seat may have used up before a request takes a new one for it.
const leaseUsedMax = 4

// Worn says that a request should store the seat, even if nothing else has changed, so that it lives on.
func (s *Seat) Worn(now time.Time) bool {
	age := now.Sub(s.LeasedAt)
	return age < 0 || age > s.TTL/leaseUsedMax
}

// TakeSeat makes a seat. ErrSeatTaken: there is one by that name.
func (c *Coordinator) TakeSeat(ctx context.Context, group, member string, ttl time.Duration, encode func(leasedAt time.Time) []byte) (*Seat, error) {
	if group == "" || member == "" {
		return nil, ErrInvalidGroup
	}
	s := &Seat{Group: group, Member: member, TTL: ttl}
	err := c.putSeat(ctx, s, encode)
	if errors.Is(err, ErrSeatChanged) {
		return nil, fmt.Errorf("%w: %q in %q", ErrSeatTaken, member, group)
	}
	if err != nil {
		return nil, err
	}
	return s, nil
}

// FindSeat reads a seat; the caller sets TTL and LeasedAt, which are in its value. ErrSeatGone: there is none.
func (c *Coordinator) FindSeat(ctx context.Context, group, member string) (*Seat, error) {
	if group == "" || member == "" {
		return nil, ErrSeatGone
	}
	ctx, cancel := c.io(ctx)
	defer cancel()
	snap, err := c.KV.Get(ctx, c.Keys.GroupMember(group, member))
	if err != nil {
		return nil, fmt.Errorf("%w: read member %q of group %q: %w", ErrUnavailable, member, group, err)
	}
	item := snap.Items[0]
	if item.Create == 0 {
		return nil, fmt.Errorf("%w: %q in %q", ErrSeatGone, member, group)
	}
	return &Seat{Group: group, Member: member, Value: item.Value, lease: item.Lease, mod: item.Mod}, nil
}

// KeepSeat stores what encode gives, under a new lease if much of the old one is used up. ErrSeatChanged: another request was
// faster, or the seat is gone.
func (c *Coordinator) KeepSeat(ctx context.Context, s *Seat, encode func(leasedAt time.Time) []byte) error {
	return c.putSeat(ctx, s, encode)
}

// putSeat swaps the key. An answer that was lost is asked for again: what stands there tells.
func (c *Coordinator) putSeat(ctx context.Context, s *Seat, encode func(time.Time) []byte) error {
	format := c.View.FormatValue()
	if format == nil {
		return fmt.Errorf("%w: the log has not been read yet", ErrUnavailable)
	}
	ctx, cancel := c.io(ctx)
	defer cancel()
	lease, leasedAt := s.lease, s.LeasedAt
	if s.mod == 0 || s.Worn(c.Now()) {
		granted, err := c.KV.Grant(ctx, s.TTL)
		if err != nil {
			return fmt.Errorf("%w: lease for a member: %w", ErrUnavailable, err)
		}
		lease, leasedAt = granted.ID(), c.Now()
	}
	key, value := c.Keys.GroupMember(s.Group, s.Member), encode(leasedAt)
	guards := []coordination.Guard{coordination.ModIs(key, s.mod), coordination.ValueIs(c.Keys.Format(), format)}
	if s.mod == 0 {
		guards[0] = coordination.Missing(key)
	}
	res, err := c.KV.Commit(ctx, guards, []coordination.Change{coordination.PutLeased(key, value, lease)})
	if errors.Is(err, coordination.ErrUnknown) {
		snap, again := c.KV.Get(ctx, key)
		if again == nil && snap.Items[0].Lease == lease && bytes.Equal(snap.Items[0].Value, value) {
			res, err = coordination.Result{Committed: true, Revision: snap.Items[0].Mod}, nil
		}
	}
	switch {
	case errors.Is(err, coordination.ErrTooLarge):
		return fmt.Errorf("%w: what the member must remember is too large for etcd: %w", ErrGroupFull, err)
	case errors.Is(err, coordination.ErrLeaseGone):
		return fmt.Errorf("%w: %q in %q", ErrSeatGone, s.Member, s.Group)
	case err != nil:
		return fmt.Errorf("%w: store member %q of group %q: %w", ErrUnavailable, s.Member, s.Group, err)
	case !res.Committed:
		return fmt.Errorf("%w: %q in %q", ErrSeatChanged, s.Member, s.Group)
	}
	s.mod, s.lease, s.LeasedAt, s.Value = res.Revision, lease, leasedAt, value
	return nil
}

// LeaveSeat removes a seat, whatever others have made of it meanwhile. Its lease ends by itself.
func (c *Coordinator) LeaveSeat(ctx context.Context, s *Seat) error {
	format := c.View.FormatValue()
	if format == nil {
		return fmt.Errorf("%w: the log has not been read yet", ErrUnavailable)
	}
	ctx, cancel := c.io(ctx)
	defer cancel()
	_, err := c.KV.Commit(ctx, []coordination.Guard{coordination.ValueIs(c.Keys.Format(), format)}, []coordination.Change{coordination.DeleteKey(c.Keys.GroupMember(s.Group, s.Member))})
	if err != nil {
		return fmt.Errorf("%w: remove member %q of group %q: %w", ErrUnavailable, s.Member, s.Group, err)
	}
	return nil
}

// silent are the members of a consumer group whose session has run out at now.
func (m *Machine) silent(now time.Time) (ids []string) {
	if m.Kind != Consumer {
		return nil
	}
	for _, id := range m.ids() {
		member := m.Members[id]
		if !member.Classic && !member.session.IsZero() && !member.session.After(now) {
			ids = append(ids, id)
		}
	}
	return ids
}

// hearLeased begins the sessions of silent members anew that have a seat: etcd's clock is what they are judged by.
func (c *Coordinator) hearLeased(ctx context.Context, g *cell, now time.Time) error {
	silent := g.machine.silent(now)
	if len(silent) == 0 {
		return nil
	}
	ctx, cancel := c.io(ctx)
	defer cancel()
	for len(silent) > 0 {
		n := min(len(silent), coordination.OperationsMax)
		keys := make([]string, n)
		for i, id := range silent[:n] {
			keys[i] = c.Keys.GroupMember(g.name, id)
		}
		snap, err := c.KV.Get(ctx, keys...)
		if err != nil {
			return fmt.Errorf("read members of group %q: %w", g.name, err)
		}
		for i, item := range snap.Items {
			if item.Create != 0 {
				g.machine.heard(now, g.machine.Members[silent[i]])
			}
		}
		silent = silent[n:]
	}
	return nil
}
