package rest

import (
	"context"
	"fmt"

	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/record"
)

// That something is not there is said behind a barrier only: another instance may just have made it.

// topic finds a topic by name, for who may do to it what the route does.
func (s *Server) topic(c *call, name string) (*ledger.Topic, error) {
	if err := s.mayTopic(c, name); err != nil {
		return nil, err
	}
	t, ok := s.backend.Topics.TopicByName(name)
	if ok {
		return t, nil
	}
	if err := s.backend.Topics.Barrier(c.ctx); err != nil {
		return nil, fmt.Errorf("%w: %w", errNotNow, err)
	}
	if t, ok = s.backend.Topics.TopicByName(name); !ok {
		return nil, fmt.Errorf("%w: %q", errNoTopic, name)
	}
	return t, nil
}

// within checks that a topic has a partition; it may have grown meanwhile.
func (s *Server) within(ctx context.Context, t *ledger.Topic, partition int32) (record.TopicPartition, error) {
	tp := record.TopicPartition{Topic: t.ID, Partition: partition}
	if 0 <= partition && partition < t.Partitions {
		return tp, nil
	}
	if err := s.backend.Topics.Barrier(ctx); err != nil {
		return tp, fmt.Errorf("%w: %w", errNotNow, err)
	}
	now, ok := s.backend.Topics.TopicByID(t.ID)
	if !ok || partition < 0 || partition >= now.Partitions {
		return tp, fmt.Errorf("%w: %s/%d", errNoPartition, t.Name, partition)
	}
	return tp, nil
}

// named is the topic of the path, and the partition if the path has one.
func (s *Server) named(c *call) (*ledger.Topic, record.TopicPartition, error) {
	t, err := s.topic(c, c.params["topic"])
	if err != nil {
		return nil, record.TopicPartition{}, err
	}
	if c.params["partition"] == "" {
		return t, record.TopicPartition{Topic: t.ID}, nil
	}
	n, err := c.partition()
	if err != nil {
		return nil, record.TopicPartition{}, err
	}
	tp, err := s.within(c.ctx, t, n)
	return t, tp, err
}

// fresh makes the view of topics include everything acknowledged before the request.
func (s *Server) fresh(ctx context.Context) error {
	if err := s.backend.Topics.Barrier(ctx); err != nil {
		return fmt.Errorf("%w: %w", errNotNow, err)
	}
	return nil
}

// topicOf finds a topic by name for a list of partitions in a request.
func (s *Server) topicOf(c *call, name string, partition int64) (*ledger.Topic, record.TopicPartition, error) {
	t, err := s.topic(c, name)
	if err != nil {
		return nil, record.TopicPartition{}, err
	}
	if partition < 0 || partition > int64(t.Partitions) {
		return nil, record.TopicPartition{}, fmt.Errorf("%w: %s/%d", errNoPartition, t.Name, partition)
	}
	tp, err := s.within(c.ctx, t, int32(partition))
	return t, tp, err
}
