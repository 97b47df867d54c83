package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/IBM/sarama"

	"github.com/firnlog/firnlog/tests/clients/golang"
)

// stepMax bounds each wait.
const stepMax = 40 * time.Second

type producer struct{ sarama.SyncProducer }

func (c client) Producer(id string, timeout time.Duration) (golang.Producer, error) {
	cfg := config()
	cfg.Producer.Idempotent, cfg.Producer.RequiredAcks, cfg.Net.MaxOpenRequests = true, sarama.WaitForAll, 1
	cfg.Producer.Return.Successes, cfg.Producer.Partitioner = true, sarama.NewManualPartitioner
	cfg.Producer.Transaction.ID, cfg.Producer.Transaction.Timeout = id, timeout
	p, err := sarama.NewSyncProducer(c.servers, cfg)
	return producer{p}, err
}

func (p producer) Send(topic string, values []golang.Value) error {
	if err := p.BeginTxn(); err != nil {
		return err
	}
	var messages []*sarama.ProducerMessage
	for _, v := range values {
		messages = append(messages, &sarama.ProducerMessage{Topic: topic, Partition: v.Partition, Value: sarama.StringEncoder(v.Value)})
	}
	return p.SendMessages(messages)
}

func (p producer) End(commit bool) error {
	if commit {
		return p.CommitTxn()
	}
	return p.AbortTxn()
}

func (p producer) Close() { _ = p.SyncProducer.Close() }

func (c client) ReadCommitted(topic string, count int) (values []string, err error) {
	s, err := c.source(topic, fmt.Sprint(topic, "-", time.Now().UnixNano()))
	if err != nil {
		return nil, err
	}
	for len(values) < count {
		some, err := s.Take(count - len(values))
		if err != nil {
			return nil, err
		}
		for _, v := range some {
			values = append(values, v.Value)
		}
	}
	return values, s.Close()
}

func (client) Fenced(err error) string {
	switch {
	case errors.Is(err, sarama.ErrProducerFenced):
		return "PRODUCER_FENCED" // for which sarama has no text
	case errors.Is(err, sarama.ErrInvalidProducerEpoch):
		return "INVALID_PRODUCER_EPOCH"
	}
	return ""
}

// source is a member of a group, read_committed.
type source struct {
	sarama.ConsumerGroup
	handler
	cancel context.CancelFunc
	ended  chan error
	next   map[int32]int64
	topic  string
}

func (c client) source(topic, group string) (*source, error) {
	cfg := config()
	cfg.Consumer.IsolationLevel = sarama.ReadCommitted
	g, err := sarama.NewConsumerGroup(c.servers, group, cfg)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	s := &source{g, handler{make(chan handed)}, cancel, make(chan error, 1), map[int32]int64{}, topic}
	go func() { s.ended <- g.Consume(ctx, []string{topic}, s.handler) }()
	return s, nil
}

// Take waits for one record, and takes what comes soon after.
func (s *source) Take(count int) (out []golang.Value, err error) {
	for wait := stepMax; len(out) < count; wait = time.Second {
		select {
		case m := <-s.records:
			out = append(out, golang.Value{Partition: m.Partition, Value: string(m.Value)})
			s.next[m.Partition] = m.Offset + 1
		case err := <-s.ended:
			return nil, fmt.Errorf("the member ended: %w", err)
		case <-time.After(wait):
			if len(out) == 0 {
				return nil, errors.New("nothing came for 40 s")
			}
			return out, nil
		}
	}
	return out, nil
}

func (s *source) Close() error {
	s.cancel()
	return errors.Join(<-s.ended, s.ConsumerGroup.Close())
}

func (c client) Transform(from, to, group string, count int) error {
	p, err := c.Producer(group, time.Minute)
	if err != nil {
		return err
	}
	defer p.Close()
	open := func() (golang.Source, error) { return c.source(from, group) }
	send := func(s golang.Source) error {
		offsets := map[string][]*sarama.PartitionOffsetMetadata{}
		for n, next := range s.(*source).next {
			offsets[from] = append(offsets[from], &sarama.PartitionOffsetMetadata{Partition: n, Offset: next})
		}
		return p.(producer).AddOffsetsToTxn(offsets, group)
	}
	return golang.Pump(p, open, send, to, count)
}
