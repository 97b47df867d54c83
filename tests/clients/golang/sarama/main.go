// Command sarama runs the steps with IBM's sarama. Verbs and steps: ../../doc.go.
package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/IBM/sarama"

	"github.com/firnlog/firnlog/tests/clients/golang"
)

type client struct{ servers []string }

func main() {
	golang.Run(func(servers []string) golang.Client { return client{servers} }, "github.com/IBM/sarama", "")
}

func config() *sarama.Config {
	c := sarama.NewConfig()
	c.Version = sarama.MaxVersion
	c.Consumer.Offsets.Initial = sarama.OffsetOldest
	c.Consumer.Offsets.AutoCommit.Enable = false
	c.Consumer.Group.Session.Timeout = 6 * time.Second
	c.Consumer.Group.Heartbeat.Interval = time.Second
	return c
}

func (c client) admin(work func(sarama.ClusterAdmin) error) error {
	a, err := sarama.NewClusterAdmin(c.servers, config())
	if err != nil {
		return err
	}
	return errors.Join(work(a), a.Close())
}

func (c client) Create(topic string) error {
	forever := "-1"
	return c.admin(func(a sarama.ClusterAdmin) error {
		detail := &sarama.TopicDetail{NumPartitions: golang.Partitions, ReplicationFactor: 1, ConfigEntries: map[string]*string{"retention.ms": &forever}}
		return a.CreateTopic(topic, detail, false)
	})
}

var codecs = map[string]sarama.CompressionCodec{
	"none": sarama.CompressionNone, "gzip": sarama.CompressionGZIP, "snappy": sarama.CompressionSnappy, "lz4": sarama.CompressionLZ4, "zstd": sarama.CompressionZSTD,
}

func (c client) Produce(topic, codec string, batch []golang.Record) error {
	cfg := config()
	cfg.Producer.Compression, cfg.Producer.Idempotent, cfg.Producer.RequiredAcks = codecs[codec], true, sarama.WaitForAll
	cfg.Producer.Return.Successes, cfg.Producer.Partitioner, cfg.Net.MaxOpenRequests = true, sarama.NewManualPartitioner, 1
	p, err := sarama.NewSyncProducer(c.servers, cfg)
	if err != nil {
		return err
	}
	var messages []*sarama.ProducerMessage
	for _, r := range batch {
		headers := []sarama.RecordHeader{{Key: []byte("codec"), Value: []byte(r.Codec)}, {Key: []byte("empty"), Value: []byte{}}}
		messages = append(messages, &sarama.ProducerMessage{Topic: topic, Partition: r.Partition, Key: sarama.StringEncoder(r.Key),
			Value: sarama.StringEncoder(r.Value), Timestamp: r.Time, Headers: headers})
	}
	return errors.Join(p.SendMessages(messages), p.Close())
}

func record(m *sarama.ConsumerMessage) golang.Record {
	r := golang.Record{Key: string(m.Key), Value: string(m.Value), Partition: m.Partition, Time: m.Timestamp}
	for _, h := range m.Headers {
		if string(h.Key) == "codec" {
			r.Codec = string(h.Value)
		}
		r.Empty = r.Empty || string(h.Key) == "empty" && len(h.Value) == 0
	}
	return r
}

// handler hands records from the goroutines of its partitions to one that takes them, and marks them.
type handler struct{ records chan handed }

type handed struct {
	session sarama.ConsumerGroupSession
	*sarama.ConsumerMessage
}

func (handler) Setup(sarama.ConsumerGroupSession) error   { return nil }
func (handler) Cleanup(sarama.ConsumerGroupSession) error { return nil }

func (h handler) ConsumeClaim(s sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	for {
		select {
		case m, open := <-claim.Messages():
			if !open {
				return nil
			}
			select {
			case h.records <- handed{s, m}:
			case <-s.Context().Done():
				return nil
			}
		case <-s.Context().Done():
			return nil
		}
	}
}

func (c client) Read(topic, group string, count int) (got []golang.Record, err error) {
	g, err := sarama.NewConsumerGroup(c.servers, group, config())
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 40*time.Second)
	h, ended := handler{make(chan handed)}, make(chan error, 1)
	go func() { ended <- g.Consume(ctx, []string{topic}, h) }()
	for len(got) < count && err == nil {
		select {
		case m := <-h.records:
			got = append(got, record(m.ConsumerMessage))
			m.session.MarkMessage(m.ConsumerMessage, "")
			if len(got) == count {
				m.session.Commit()
			}
		case err = <-ended:
			err = errors.Join(fmt.Errorf("ended after %d records", len(got)), err)
		}
	}
	cancel()
	if err == nil {
		err = <-ended
	}
	return got, errors.Join(err, g.Close())
}

func (c client) Seek(topic string, from time.Time, count int) (got []golang.Record, err error) {
	cl, err := sarama.NewClient(c.servers, config())
	if err != nil {
		return nil, err
	}
	defer cl.Close()
	consumer, err := sarama.NewConsumerFromClient(cl)
	if err != nil {
		return nil, err
	}
	records := make(chan *sarama.ConsumerMessage)
	for p := range int32(golang.Partitions) {
		offset, err := cl.GetOffset(topic, p, from.UnixMilli())
		if err != nil {
			return nil, err
		}
		pc, err := consumer.ConsumePartition(topic, p, offset)
		if err != nil {
			return nil, err
		}
		go func() {
			for m := range pc.Messages() {
				records <- m
			}
		}()
	}
	for late := time.After(40 * time.Second); len(got) < count; {
		select {
		case m := <-records:
			got = append(got, record(m))
		case <-late:
			return nil, fmt.Errorf("%d records in 40 s", len(got))
		}
	}
	return got, nil
}

func (c client) Delete(topic string) error {
	return c.admin(func(a sarama.ClusterAdmin) error { return a.DeleteTopic(topic) })
}

func (c client) Listed(topic string) (listed bool, err error) {
	err = c.admin(func(a sarama.ClusterAdmin) error {
		topics, err := a.ListTopics()
		_, listed = topics[topic]
		return err
	})
	return listed, err
}

func (c client) Member(topic, group, _ string) error {
	cfg := config()
	cfg.Consumer.Offsets.AutoCommit.Enable, cfg.Consumer.Offsets.AutoCommit.Interval = true, 100*time.Millisecond // commits what is marked
	g, err := sarama.NewConsumerGroup(c.servers, group, cfg)
	if err != nil {
		return err
	}
	h := handler{make(chan handed)}
	go func() {
		for m := range h.records {
			fmt.Println("got", string(m.Value))
			m.session.MarkMessage(m.ConsumerMessage, "")
		}
	}()
	for {
		if err := g.Consume(context.Background(), []string{topic}, h); err != nil {
			fmt.Println("rebalance", err)
		}
	}
}
