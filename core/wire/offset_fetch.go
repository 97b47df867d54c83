package wire

import (
	"context"
	"errors"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/firnlog/firnlog/core/auth"
	"github.com/firnlog/firnlog/core/group"
	"github.com/firnlog/firnlog/core/record"
)

// OffsetFetch (key 9), versions 1-10.
//
//	v2   null topics mean all; top-level error
//	v5   leader epoch
//	v6   flexible
//	v7   require_stable
//	v8   many groups
//	v9   member id and epoch (KIP-848)
//	v10  topic ids instead of names
//
// What is not there (group, topic, partition, offset) is offset -1, leader epoch -1, metadata "" and no error: clients begin
// where they are told to. Only a topic id that nobody knows is an error.
func (s *Server) offsetFetch(ctx context.Context, c *caller, req *kmsg.OffsetFetchRequest) (kmsg.Response, error) {
	resp := kmsg.NewPtrOffsetFetchResponse()
	resp.Version = req.Version
	if req.Version >= 8 {
		for i := range req.Groups {
			resp.Groups = append(resp.Groups, s.fetchGroup(ctx, c, req, &req.Groups[i]))
		}
		return resp, nil
	}
	one := kmsg.NewOffsetFetchRequestGroup()
	one.Group = req.Group
	if req.Topics != nil {
		one.Topics = []kmsg.OffsetFetchRequestGroupTopic{}
	}
	for _, t := range req.Topics {
		topic := kmsg.NewOffsetFetchRequestGroupTopic()
		topic.Topic, topic.Partitions = t.Topic, t.Partitions
		one.Topics = append(one.Topics, topic)
	}
	res := s.fetchGroup(ctx, c, req, &one)
	resp.ErrorCode = res.ErrorCode
	for _, t := range res.Topics {
		topic := kmsg.NewOffsetFetchResponseTopic()
		topic.Topic = t.Topic
		for _, p := range t.Partitions {
			topic.Partitions = append(topic.Partitions, kmsg.OffsetFetchResponseTopicPartition(p))
		}
		resp.Topics = append(resp.Topics, topic)
	}
	return resp, nil
}

// fetchGroup answers for one group. Below version 2 there is no place for its error but the partitions.
func (s *Server) fetchGroup(ctx context.Context, c *caller, req *kmsg.OffsetFetchRequest, asked *kmsg.OffsetFetchRequestGroup) kmsg.OffsetFetchResponseGroup {
	out := kmsg.NewOffsetFetchResponseGroup()
	out.Group = asked.Group
	r := group.FetchRequest{MemberID: text(asked.MemberID), Epoch: asked.MemberEpoch, RequireStable: req.RequireStable}
	if err := c.may(ctx, auth.ResourceGroup, asked.Group); err != nil {
		if out.ErrorCode = s.code(err); req.Version < 2 {
			out.Topics = askedCommitted(asked.Topics, nil, make([]int16, len(asked.Topics)), out.ErrorCode)
		}
		return out
	}
	find := s.names(c)
	codes := make([]int16, len(asked.Topics))
	if asked.Topics != nil {
		r.Topics = []group.FetchTopic{}
	}
	for i, t := range asked.Topics {
		known, err := find.topic(ctx, req.Version >= 10, t.Topic, t.TopicID)
		switch {
		case err == nil:
			r.Topics = append(r.Topics, group.FetchTopic{Name: known.Name, ID: known.ID})
		case errors.Is(err, errUnknownPartition): // no offsets, then
		default:
			codes[i] = s.code(err)
		}
	}
	found, err := s.backend.Groups.FetchOffsets(ctx, asked.Group, r)
	out.ErrorCode = s.code(err)
	if errors.Is(err, group.ErrUnavailable) {
		out.ErrorCode = kerr.CoordinatorLoadInProgress.Code
	}
	switch {
	case asked.Topics == nil:
		out.Topics = allCommitted(slices.DeleteFunc(found, func(t group.FetchedTopic) bool { return !c.shows(ctx, auth.ResourceTopic, t.Name) }))
	case out.ErrorCode == 0 || req.Version < 2:
		out.Topics = askedCommitted(asked.Topics, found, codes, out.ErrorCode)
	}
	return out
}

// allCommitted shows all that a group has.
func allCommitted(found []group.FetchedTopic) (out []kmsg.OffsetFetchResponseGroupTopic) {
	for i := range found {
		t := kmsg.NewOffsetFetchResponseGroupTopic()
		t.Topic, t.TopicID = found[i].Name, found[i].ID
		for _, n := range found[i].Numbers() {
			t.Partitions = append(t.Partitions, committed(&found[i], n, 0))
		}
		out = append(out, t)
	}
	return out
}

// askedCommitted shows what was asked for, in its order.
func askedCommitted(asked []kmsg.OffsetFetchRequestGroupTopic, found []group.FetchedTopic, codes []int16, failed int16) (out []kmsg.OffsetFetchResponseGroupTopic) {
	for i, a := range asked {
		t := kmsg.NewOffsetFetchResponseGroupTopic()
		t.Topic, t.TopicID = a.Topic, a.TopicID
		var has *group.FetchedTopic
		for k := range found {
			if found[k].Name == a.Topic || a.TopicID != [16]byte{} && found[k].ID == record.TopicID(a.TopicID) {
				has = &found[k]
			}
		}
		for _, n := range a.Partitions {
			t.Partitions = append(t.Partitions, committed(has, n, max(codes[i], failed)))
		}
		out = append(out, t)
	}
	return out
}

func committed(t *group.FetchedTopic, partition int32, code int16) kmsg.OffsetFetchResponseGroupTopicPartition {
	p := kmsg.NewOffsetFetchResponseGroupTopicPartition()
	p.Partition, p.Offset, p.LeaderEpoch, p.Metadata, p.ErrorCode = partition, -1, -1, kmsg.StringPtr(""), code
	if t == nil || code != 0 {
		return p
	}
	if t.Unstable[partition] {
		p.ErrorCode = kerr.UnstableOffsetCommit.Code
		return p
	}
	if o, ok := t.Partitions[partition]; ok {
		p.Offset, p.LeaderEpoch, p.Metadata = int64(o.Offset), o.LeaderEpoch, &o.Metadata
	}
	return p
}
