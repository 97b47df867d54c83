package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"github.com/firnlog/firnlog/tests/clients/golang"
)

// stepMax bounds each wait.
const stepMax = 40 * time.Second

type producer struct{ *kafka.Producer }

func (c client) Producer(id string, timeout time.Duration) (golang.Producer, error) {
	ms := int(timeout.Milliseconds())
	p, err := kafka.NewProducer(&kafka.ConfigMap{"bootstrap.servers": c.servers, "transactional.id": id, "transaction.timeout.ms": ms, "message.timeout.ms": ms})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), stepMax)
	defer cancel()
	return producer{p}, p.InitTransactions(ctx)
}

func (p producer) Send(topic string, values []golang.Value) error {
	if err := p.BeginTransaction(); err != nil {
		return err
	}
	delivered := make(chan kafka.Event, len(values))
	for _, v := range values {
		m := &kafka.Message{TopicPartition: kafka.TopicPartition{Topic: &topic, Partition: v.Partition}, Value: []byte(v.Value)}
		if err := p.Produce(m, delivered); err != nil {
			return err
		}
	}
	for range values {
		if m, ok := (<-delivered).(*kafka.Message); ok && m.TopicPartition.Error != nil {
			return m.TopicPartition.Error
		}
	}
	return nil
}

func (p producer) End(commit bool) error {
	ctx, cancel := context.WithTimeout(context.Background(), stepMax)
	defer cancel()
	if commit {
		return p.CommitTransaction(ctx)
	}
	return p.AbortTransaction(ctx)
}

// source is a member of a group; read_committed is the default.
type source struct{ *kafka.Consumer }

func (c client) source(topic, group string) (golang.Source, error) {
	consumer, err := c.consumer(group)
	if err != nil {
		return nil, err
	}
	return source{consumer}, consumer.Subscribe(topic, nil)
}

// Take waits for one record, and takes what comes soon after.
func (s source) Take(count int) (out []golang.Value, err error) {
	for wait := stepMax; len(out) < count; wait = time.Second {
		m, err := s.ReadMessage(wait)
		if err != nil && len(out) > 0 {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		out = append(out, golang.Value{Partition: m.TopicPartition.Partition, Value: string(m.Value)})
	}
	return out, nil
}

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
	var k kafka.Error
	if !errors.As(err, &k) {
		return ""
	}
	switch k.Code() {
	case kafka.ErrFenced:
		return "_FENCED"
	case kafka.ErrProducerFenced:
		return "PRODUCER_FENCED"
	case kafka.ErrInvalidProducerEpoch:
		return "INVALID_PRODUCER_EPOCH"
	}
	return ""
}

func (c client) Transform(from, to, group string, count int) error {
	p, err := c.Producer(group, time.Minute)
	if err != nil {
		return err
	}
	defer p.Close()
	open := func() (golang.Source, error) { return c.source(from, group) }
	send := func(s golang.Source) error {
		consumer := s.(source).Consumer
		assigned, err := consumer.Assignment()
		if err != nil {
			return err
		}
		offsets, err := consumer.Position(assigned)
		if err != nil {
			return err
		}
		member, err := consumer.GetConsumerGroupMetadata()
		if err != nil {
			return err
		}
		return p.(producer).SendOffsetsToTransaction(context.Background(), offsets, member)
	}
	return golang.Pump(p, open, send, to, count)
}
