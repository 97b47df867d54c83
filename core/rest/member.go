package rest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/firnlog/firnlog/core/fetch"
	"github.com/firnlog/firnlog/core/group"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/record"
)

// How a consumer instance takes part in its group: a heartbeat (KIP-848) says what it wants and has, and tells what it shall have. What
// it has to give up it gives up at once, since it holds nothing between requests: it commits, drops the places and says so with the
// next heartbeat. Then it may be given more.
//
// A heartbeat that was answered but whose seat was not stored does no harm: the next one comes with the epoch before, which the
// coordinator takes from a member that has no more than it was given.

// roundsMax is how many heartbeats one request sends: join, give up, receive, and one more.
const roundsMax = 4

// settle brings the instance up to what its group has for it.
func (s *Server) settle(ctx context.Context, con *consumer) error {
	for range roundsMax {
		assigned, err := s.heartbeat(ctx, con)
		switch {
		case con.Epoch != 0 && (errors.Is(err, group.ErrFencedEpoch) || errors.Is(err, group.ErrUnknownMember)):
			con.Epoch, con.Places = 0, nil // others have its partitions: it may not commit any more
			continue
		case err != nil:
			return err
		}
		kept, lost := split2(con.Places, assigned)
		if con.AutoCommit && len(lost) > 0 {
			if err := s.commitPlaces(ctx, con, lost); err != nil {
				s.log.Info("positions of partitions given up are not committed", "group", con.seat.Group, "error", err)
			}
		}
		con.Places = kept
		if len(lost) > 0 {
			continue // say that they are given up
		}
		return s.receive(ctx, con, assigned)
	}
	return nil
}

// split2 sorts places into those that stay and those that go.
func split2(places []spot, assigned group.Partitions) (kept, lost []spot) {
	for _, p := range places {
		if slices.Contains(assigned[p.ID], p.Partition) {
			kept = append(kept, p)
		} else {
			lost = append(lost, p)
		}
	}
	return kept, lost
}

// heartbeat says all about the member, so its answer does too.
func (s *Server) heartbeat(ctx context.Context, con *consumer) (group.Partitions, error) {
	names := con.Names
	if names == nil {
		names = []string{}
	}
	res, err := s.backend.Groups.ConsumerHeartbeat(ctx, con.seat.Group, group.ConsumerRequest{
		MemberID: con.seat.Member, Client: con.client, Host: con.host, Epoch: con.Epoch,
		RebalanceMs: int32(s.settings.RebalanceTimeout.Milliseconds()), Names: names, Regex: &con.Pattern, Owned: owned(con.Places),
	})
	if err != nil {
		return nil, err
	}
	con.Epoch = res.Epoch
	if res.Assignment == nil {
		return owned(con.Places), nil
	}
	return *res.Assignment, nil
}

func owned(places []spot) group.Partitions {
	return group.Gather(func(add func(record.TopicID, ...int32)) {
		for _, p := range places {
			add(p.ID, p.Partition)
		}
	})
}

// leave takes the instance out of its group.
func (s *Server) leave(ctx context.Context, con *consumer) error {
	if con.Epoch == 0 {
		return nil
	}
	const leaves = -1
	_, err := s.backend.Groups.ConsumerHeartbeat(ctx, con.seat.Group, group.ConsumerRequest{
		MemberID: con.seat.Member, Client: con.client, Host: con.host, Epoch: leaves, RebalanceMs: -1,
	})
	if errors.Is(err, group.ErrUnknownMember) {
		err = nil
	}
	if err == nil {
		con.Epoch, con.Places = 0, nil
	}
	return err
}

// receive makes places of partitions that are new.
func (s *Server) receive(ctx context.Context, con *consumer, assigned group.Partitions) error {
	have := owned(con.Places)
	var added []spot
	for _, id := range assigned.Topics() {
		t, found := s.backend.Topics.TopicByID(id)
		if !found {
			if err := s.fresh(ctx); err != nil {
				return err
			}
			if t, found = s.backend.Topics.TopicByID(id); !found {
				continue // it was deleted
			}
		}
		for _, n := range assigned[id] {
			if !slices.Contains(have[id], n) {
				added = append(added, spot{Topic: t.Name, ID: id, Partition: n})
			}
		}
	}
	if len(added) == 0 {
		return nil
	}
	if err := s.begins(ctx, con, added); err != nil {
		return err
	}
	con.Places = append(con.Places, added...)
	return nil
}

// begins sets where places begin: at what the group has committed, else as the instance's reset says.
func (s *Server) begins(ctx context.Context, con *consumer, places []spot) error {
	committed, err := s.committed(ctx, con.seat.Group)
	if err != nil {
		return err
	}
	for i := range places {
		p := &places[i]
		if o, has := committed[p.name()]; has {
			p.Position = o.Offset
			continue
		}
		if p.Position, err = s.resets(ctx, con, p.name()); err != nil {
			return err
		}
	}
	return nil
}

// committed are a group's offsets, without what an open transaction may still replace.
func (s *Server) committed(ctx context.Context, name string) (map[record.TopicPartition]group.Committed, error) {
	topics, err := s.backend.Groups.OffsetsStored(ctx, name, true)
	if err != nil {
		return nil, err
	}
	out := map[record.TopicPartition]group.Committed{}
	for _, t := range topics {
		for n, o := range t.Partitions {
			if t.Unstable[n] {
				return nil, fmt.Errorf("%w: a transaction is about to commit offsets of %s", errNotNow, t.Name)
			}
			out[record.TopicPartition{Topic: t.ID, Partition: n}] = o
		}
	}
	return out, nil
}

// resets is where a partition without an offset begins.
func (s *Server) resets(ctx context.Context, con *consumer, tp record.TopicPartition) (record.Offset, error) {
	b, err := s.backend.Reader.Bounds(ctx, tp)
	switch {
	case errors.Is(err, fetch.ErrUnknownPartition):
		return 0, nil // deleted meanwhile; the group will take it away
	case err != nil:
		return 0, err
	case con.Reset == resetEarliest:
		return b.LogStart, nil
	case con.Reset == resetLatest:
		return b.HighWatermark, nil
	}
	return 0, failf(409, codeState, "there is no offset to begin from, and auto.offset.reset is none")
}

// commitPlaces commits positions. Those of a consumer that chose its partitions by hand are by nobody's member.
func (s *Server) commitPlaces(ctx context.Context, con *consumer, places []spot) error {
	offsets := map[record.TopicPartition]group.Committed{}
	names := map[record.TopicID]string{}
	for _, p := range places {
		offsets[p.name()] = group.Committed{Offset: p.Position, LeaderEpoch: -1}
		names[p.ID] = p.Topic
	}
	if err := s.commit(ctx, con, offsets, names); err != nil {
		return err
	}
	for i := range places {
		places[i].Moved = false
	}
	return nil
}

func (s *Server) commit(ctx context.Context, con *consumer, offsets map[record.TopicPartition]group.Committed, names map[record.TopicID]string) error {
	if len(offsets) == 0 {
		return nil
	}
	r := group.CommitRequest{CommitCheck: group.CommitCheck{Generation: -1, NewErrors: true}}
	if con.Epoch > 0 {
		r.MemberID, r.Generation = con.seat.Member, con.Epoch
	}
	byTopic := map[record.TopicID]map[int32]group.Committed{}
	for tp, o := range offsets {
		if byTopic[tp.Topic] == nil {
			byTopic[tp.Topic] = map[int32]group.Committed{}
		}
		byTopic[tp.Topic][tp.Partition] = o
	}
	for _, id := range slices.SortedFunc(maps.Keys(byTopic), func(a, b record.TopicID) int { return slices.Compare(a[:], b[:]) }) {
		r.Topics = append(r.Topics, group.CommitTopic{Name: names[id], ID: id, Partitions: byTopic[id]})
	}
	return s.backend.Groups.CommitOffsets(ctx, con.seat.Group, r)
}

// topicOf finds a topic by name for a list of partitions in a request.
func (s *Server) topicOf(ctx context.Context, name string, partition int64) (*ledger.Topic, record.TopicPartition, error) {
	t, err := s.topic(ctx, name)
	if err != nil {
		return nil, record.TopicPartition{}, err
	}
	if partition < 0 || partition > int64(t.Partitions) {
		return nil, record.TopicPartition{}, fmt.Errorf("%w: %s/%d", errNoPartition, t.Name, partition)
	}
	tp, err := s.within(ctx, t, int32(partition))
	return t, tp, err
}

func isChanged(err error) bool { return errors.Is(err, group.ErrSeatChanged) }
