// Command confluent runs the steps with confluent-kafka-go and the librdkafka that comes with it.
// Verbs and steps: ../../doc.go.
package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"github.com/firnlog/firnlog/tests/clients/golang"
)

type client struct{ servers string }

func main() {
	_, library := kafka.LibraryVersion()
	golang.Run(func(servers []string) golang.Client { return client{strings.Join(servers, ",")} },
		"github.com/confluentinc/confluent-kafka-go/v2", " (librdkafka "+library+")")
}

func (c client) admin(work func(context.Context, *kafka.AdminClient) error) error {
	a, err := kafka.NewAdminClient(&kafka.ConfigMap{"bootstrap.servers": c.servers})
	if err != nil {
		return err
	}
	defer a.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	return work(ctx, a)
}

// refused gives the error of the only topic of an answer.
func refused(results []kafka.TopicResult, err error) error {
	if err == nil && results[0].Error.Code() != kafka.ErrNoError {
		err = results[0].Error
	}
	return err
}

func (c client) Create(topic string) error {
	return c.admin(func(ctx context.Context, a *kafka.AdminClient) error {
		return refused(a.CreateTopics(ctx, []kafka.TopicSpecification{{Topic: topic, NumPartitions: golang.Partitions, ReplicationFactor: 1,
			Config: map[string]string{"retention.ms": "-1"}}}))
	})
}

func (c client) Produce(topic, codec string, batch []golang.Record) error {
	p, err := kafka.NewProducer(&kafka.ConfigMap{"bootstrap.servers": c.servers, "compression.codec": codec, "enable.idempotence": true})
	if err != nil {
		return err
	}
	defer p.Close()
	delivered := make(chan kafka.Event, len(batch))
	for _, r := range batch {
		m := &kafka.Message{TopicPartition: kafka.TopicPartition{Topic: &topic, Partition: r.Partition}, Key: []byte(r.Key), Value: []byte(r.Value),
			Timestamp: r.Time, Headers: []kafka.Header{{Key: "codec", Value: []byte(r.Codec)}, {Key: "empty", Value: []byte{}}}}
		if err := p.Produce(m, delivered); err != nil {
			return err
		}
	}
	for range batch {
		if m, ok := (<-delivered).(*kafka.Message); ok && m.TopicPartition.Error != nil {
			return m.TopicPartition.Error
		}
	}
	return nil
}

func (c client) consumer(group string) (*kafka.Consumer, error) {
	return kafka.NewConsumer(&kafka.ConfigMap{"bootstrap.servers": c.servers, "group.id": group, "enable.auto.commit": false,
		"auto.offset.reset": "earliest", "session.timeout.ms": 6000, "heartbeat.interval.ms": 1000})
}

func record(m *kafka.Message) golang.Record {
	r := golang.Record{Key: string(m.Key), Value: string(m.Value), Partition: m.TopicPartition.Partition, Time: m.Timestamp}
	for _, h := range m.Headers {
		if h.Key == "codec" {
			r.Codec = string(h.Value)
		}
		r.Empty = r.Empty || h.Key == "empty" && len(h.Value) == 0
	}
	return r
}

func take(c *kafka.Consumer, count int) (got []golang.Record, err error) {
	for len(got) < count {
		m, err := c.ReadMessage(30 * time.Second)
		if err != nil {
			return nil, fmt.Errorf("after %d records: %w", len(got), err)
		}
		got = append(got, record(m))
	}
	return got, nil
}

func (c client) Read(topic, group string, count int) ([]golang.Record, error) {
	consumer, err := c.consumer(group)
	if err != nil {
		return nil, err
	}
	defer consumer.Close()
	if err := consumer.Subscribe(topic, nil); err != nil {
		return nil, err
	}
	got, err := take(consumer, count)
	if err != nil {
		return nil, err
	}
	_, err = consumer.Commit()
	return got, err
}

func (c client) Seek(topic string, from time.Time, count int) ([]golang.Record, error) {
	consumer, err := c.consumer("by-time")
	if err != nil {
		return nil, err
	}
	defer consumer.Close()
	var times []kafka.TopicPartition
	for p := range int32(golang.Partitions) {
		times = append(times, kafka.TopicPartition{Topic: &topic, Partition: p, Offset: kafka.Offset(from.UnixMilli())})
	}
	offsets, err := consumer.OffsetsForTimes(times, 30_000)
	if err != nil {
		return nil, err
	}
	if err := consumer.Assign(offsets); err != nil {
		return nil, err
	}
	return take(consumer, count)
}

func (c client) Delete(topic string) error {
	return c.admin(func(ctx context.Context, a *kafka.AdminClient) error {
		return refused(a.DeleteTopics(ctx, []string{topic}))
	})
}

func (c client) Listed(topic string) (listed bool, err error) {
	err = c.admin(func(_ context.Context, a *kafka.AdminClient) error {
		meta, err := a.GetMetadata(nil, true, 30_000)
		if err == nil {
			_, listed = meta.Topics[topic]
		}
		return err
	})
	return listed, err
}

func (c client) Member(topic, group, _ string) error {
	consumer, err := c.consumer(group)
	if err != nil {
		return err
	}
	if err := consumer.Subscribe(topic, nil); err != nil {
		return err
	}
	for {
		m, err := consumer.ReadMessage(time.Second)
		if err != nil {
			continue // nothing came
		}
		fmt.Println("got", string(m.Value))
		if _, err := consumer.CommitMessage(m); err != nil {
			fmt.Println("commit", err) // a rebalance took the partition away: whoever gets it reads on from the last commit
		}
	}
}
