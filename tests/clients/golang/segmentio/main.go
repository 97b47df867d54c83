// Command segmentio runs the steps with segmentio/kafka-go. Verbs and steps: ../../doc.go.
package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/firnlog/firnlog/tests/clients/golang"
)

type client struct{ servers []string }

func main() {
	golang.Run(func(servers []string) golang.Client { return client{servers} }, "github.com/segmentio/kafka-go", "")
}

func (c client) kafka() *kafka.Client {
	return &kafka.Client{Addr: kafka.TCP(c.servers...), Timeout: 30 * time.Second}
}

func (c client) Create(topic string) error {
	resp, err := c.kafka().CreateTopics(context.Background(), &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{{
		Topic: topic, NumPartitions: golang.Partitions, ReplicationFactor: 1,
		ConfigEntries: []kafka.ConfigEntry{{ConfigName: "retention.ms", ConfigValue: "-1"}},
	}}})
	if err != nil {
		return err
	}
	return resp.Errors[topic]
}

var codecs = map[string]kafka.Compression{"gzip": kafka.Gzip, "snappy": kafka.Snappy, "lz4": kafka.Lz4, "zstd": kafka.Zstd}

// byNumber sends record n to partition n modulo their number.
func byNumber(m kafka.Message, partitions ...int) int {
	n, _ := strconv.Atoi(strings.TrimPrefix(string(m.Value), "value-"))
	return partitions[n%len(partitions)]
}

func (c client) Produce(topic, codec string, batch []golang.Record) error {
	w := &kafka.Writer{Addr: kafka.TCP(c.servers...), Topic: topic, Balancer: kafka.BalancerFunc(byNumber), Compression: codecs[codec],
		RequiredAcks: kafka.RequireAll, BatchTimeout: 10 * time.Millisecond}
	defer w.Close()
	var messages []kafka.Message
	for _, r := range batch {
		headers := []kafka.Header{{Key: "codec", Value: []byte(r.Codec)}, {Key: "empty", Value: []byte{}}}
		messages = append(messages, kafka.Message{Key: []byte(r.Key), Value: []byte(r.Value), Time: r.Time, Headers: headers})
	}
	return w.WriteMessages(context.Background(), messages...)
}

func record(m kafka.Message) golang.Record {
	r := golang.Record{Key: string(m.Key), Value: string(m.Value), Partition: int32(m.Partition), Time: m.Time}
	for _, h := range m.Headers {
		if h.Key == "codec" {
			r.Codec = string(h.Value)
		}
		r.Empty = r.Empty || h.Key == "empty" && len(h.Value) == 0
	}
	return r
}

func (c client) reader(topic, group string) *kafka.Reader {
	return kafka.NewReader(kafka.ReaderConfig{Brokers: c.servers, GroupID: group, Topic: topic, StartOffset: kafka.FirstOffset,
		SessionTimeout: 6 * time.Second, HeartbeatInterval: time.Second, MaxWait: 500 * time.Millisecond})
}

func (c client) Read(topic, group string, count int) (got []golang.Record, err error) {
	r := c.reader(topic, group)
	defer r.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 40*time.Second)
	defer cancel()
	var last []kafka.Message
	for len(got) < count {
		m, err := r.FetchMessage(ctx)
		if err != nil {
			return nil, fmt.Errorf("after %d records: %w", len(got), err)
		}
		got, last = append(got, record(m)), append(last, m)
	}
	return got, r.CommitMessages(ctx, last...)
}

func (c client) Seek(topic string, from time.Time, count int) (got []golang.Record, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 40*time.Second)
	defer cancel()
	for p := range golang.Partitions {
		r := kafka.NewReader(kafka.ReaderConfig{Brokers: c.servers, Topic: topic, Partition: p, MaxWait: 500 * time.Millisecond})
		defer r.Close()
		if err := r.SetOffsetAt(ctx, from); err != nil {
			return nil, err
		}
		lag, err := r.ReadLag(ctx)
		if err != nil {
			return nil, err
		}
		for range lag {
			m, err := r.ReadMessage(ctx)
			if err != nil {
				return nil, err
			}
			got = append(got, record(m))
		}
	}
	if len(got) != count {
		return nil, fmt.Errorf("%d records, want %d", len(got), count)
	}
	return got, nil
}

func (c client) Delete(topic string) error {
	resp, err := c.kafka().DeleteTopics(context.Background(), &kafka.DeleteTopicsRequest{Topics: []string{topic}})
	if err != nil {
		return err
	}
	return resp.Errors[topic]
}

func (c client) Listed(topic string) (bool, error) {
	meta, err := c.kafka().Metadata(context.Background(), &kafka.MetadataRequest{})
	if err != nil {
		return false, err
	}
	return slices.ContainsFunc(meta.Topics, func(t kafka.Topic) bool { return t.Name == topic }), nil
}

func (c client) Member(topic, group, _ string) error {
	r := c.reader(topic, group)
	for {
		m, err := r.FetchMessage(context.Background())
		if err != nil {
			return err
		}
		fmt.Println("got", string(m.Value))
		if err := r.CommitMessages(context.Background(), m); err != nil {
			fmt.Println("commit", err) // a rebalance took the partition away: whoever gets it reads on from the last commit
		}
	}
}
