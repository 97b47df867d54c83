package relay

import (
	"context"
	"errors"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/firnlog/firnlog/core/group"
	"github.com/firnlog/firnlog/core/record"
)

func (p *peer) heartbeat(ctx context.Context, name string, r group.ConsumerRequest) (group.ConsumerResult, error) {
	req := kmsg.NewPtrConsumerGroupHeartbeatRequest()
	req.Version = 1
	req.Group, req.MemberID, req.MemberEpoch, req.RackID = name, r.MemberID, r.Epoch, r.Rack
	req.RebalanceTimeoutMillis, req.SubscribedTopicNames, req.SubscribedTopicRegex, req.ServerAssignor = r.RebalanceMs, r.Names, r.Regex, r.Assignor
	if r.Instance != "" {
		req.InstanceID = &r.Instance
	}
	if r.Owned != nil {
		req.Topics = []kmsg.ConsumerGroupHeartbeatRequestTopic{}
		for _, id := range r.Owned.Topics() {
			t := kmsg.NewConsumerGroupHeartbeatRequestTopic()
			t.TopicID, t.Partitions = id, r.Owned[id]
			req.Topics = append(req.Topics, t)
		}
	}
	resp := kmsg.NewPtrConsumerGroupHeartbeatResponse()
	if err := p.ask(ctx, r.Client, req, resp); err != nil {
		return group.ConsumerResult{}, err
	}
	if err := errorOf(resp.ErrorCode, resp.ErrorMessage); err != nil {
		return group.ConsumerResult{}, err
	}
	res := group.ConsumerResult{MemberID: r.MemberID, Epoch: resp.MemberEpoch, Heartbeat: time.Duration(resp.HeartbeatIntervalMillis) * time.Millisecond}
	if resp.Assignment != nil {
		assigned := group.Gather(func(add func(record.TopicID, ...int32)) {
			for _, t := range resp.Assignment.Topics {
				add(t.TopicID, t.Partitions...)
			}
		})
		res.Assignment = &assigned
	}
	return res, nil
}

func (p *peer) commit(ctx context.Context, name string, r group.CommitRequest) error {
	req := kmsg.NewPtrOffsetCommitRequest()
	req.Version = 9
	req.Group, req.MemberID, req.Generation = name, r.MemberID, r.Generation
	if r.Instance != "" {
		req.InstanceID = &r.Instance
	}
	for _, t := range r.Topics {
		one := kmsg.NewOffsetCommitRequestTopic()
		one.Topic = t.Name
		for n, o := range t.Partitions {
			part := kmsg.NewOffsetCommitRequestTopicPartition()
			part.Partition, part.Offset, part.LeaderEpoch = n, int64(o.Offset), o.LeaderEpoch
			part.Metadata = &o.Metadata
			one.Partitions = append(one.Partitions, part)
		}
		req.Topics = append(req.Topics, one)
	}
	resp := kmsg.NewPtrOffsetCommitResponse()
	if err := p.ask(ctx, "", req, resp); err != nil {
		return err
	}
	var errs []error
	for _, t := range resp.Topics {
		for _, part := range t.Partitions {
			if err := errorOf(part.ErrorCode, nil); err != nil {
				errs = append(errs, err)
			}
		}
	}
	return errors.Join(errs...)
}
