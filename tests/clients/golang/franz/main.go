// Command franz runs the steps with franz-go. Verbs and steps: ../../doc.go.
package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/firnlog/firnlog/tests/clients/golang"
)

type client struct{ servers []string }

func main() {
	golang.Run(func(servers []string) golang.Client { return client{servers} }, "github.com/twmb/franz-go", "")
}

// connect makes a client that has half a minute for its step.
func (c client) connect(opts ...kgo.Opt) (context.Context, *kgo.Client, func(), error) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	cl, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(c.servers...)}, opts...)...)
	return ctx, cl, func() { cancel(); cl.Close() }, err
}

func (c client) Create(topic string) error {
	ctx, cl, done, err := c.connect()
	if err != nil {
		return err
	}
	defer done()
	_, err = kadm.NewClient(cl).CreateTopic(ctx, golang.Partitions, 1, map[string]*string{"retention.ms": kadm.StringPtr("-1")}, topic)
	return err
}

var codecs = map[string]kgo.CompressionCodec{
	"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(), "lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
}

func (c client) Produce(topic, codec string, batch []golang.Record) error {
	ctx, cl, done, err := c.connect(kgo.ProducerBatchCompression(codecs[codec]), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		return err
	}
	defer done()
	var records []*kgo.Record
	for _, r := range batch {
		headers := []kgo.RecordHeader{{Key: "codec", Value: []byte(r.Codec)}, {Key: "empty", Value: []byte{}}}
		records = append(records, &kgo.Record{Topic: topic, Partition: r.Partition, Key: []byte(r.Key), Value: []byte(r.Value), Timestamp: r.Time, Headers: headers})
	}
	return cl.ProduceSync(ctx, records...).FirstErr()
}

func (c client) Read(topic, group string, count int) ([]golang.Record, error) {
	ctx, cl, done, err := c.connect(kgo.ConsumeTopics(topic), kgo.ConsumerGroup(group), kgo.DisableAutoCommit(), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		return nil, err
	}
	defer done()
	got, err := take(ctx, cl, count)
	if err != nil {
		return nil, err
	}
	return got, cl.CommitUncommittedOffsets(ctx)
}

// take gives the next records of a client.
func take(ctx context.Context, cl *kgo.Client, count int) (got []golang.Record, err error) {
	for len(got) < count {
		fetches := cl.PollRecords(ctx, count-len(got))
		if err := fetches.Err(); err != nil {
			return nil, fmt.Errorf("after %d records: %w", len(got), err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			g := golang.Record{Key: string(r.Key), Value: string(r.Value), Partition: r.Partition, Time: r.Timestamp}
			for _, h := range r.Headers {
				if h.Key == "codec" {
					g.Codec = string(h.Value)
				}
				g.Empty = g.Empty || h.Key == "empty" && len(h.Value) == 0
			}
			got = append(got, g)
		})
	}
	return got, nil
}

func (c client) Seek(topic string, from time.Time, count int) ([]golang.Record, error) {
	ctx, cl, done, err := c.connect(kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AfterMilli(from.UnixMilli())))
	if err != nil {
		return nil, err
	}
	defer done()
	return take(ctx, cl, count)
}

func (c client) Delete(topic string) error {
	ctx, cl, done, err := c.connect()
	if err != nil {
		return err
	}
	defer done()
	_, err = kadm.NewClient(cl).DeleteTopic(ctx, topic)
	return err
}

func (c client) Listed(topic string) (bool, error) {
	ctx, cl, done, err := c.connect()
	if err != nil {
		return false, err
	}
	defer done()
	topics, err := kadm.NewClient(cl).ListTopics(ctx)
	return slices.Contains(topics.Names(), topic), err
}

func (c client) Member(topic, group, protocol string) error {
	opts := []kgo.Opt{kgo.SeedBrokers(c.servers...), kgo.ConsumeTopics(topic), kgo.ConsumerGroup(group), kgo.DisableAutoCommit(),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.SessionTimeout(6 * time.Second), kgo.HeartbeatInterval(time.Second)}
	if protocol == "consumer" {
		opts = append(opts, kgo.ServerSideBalancer(), kgo.Balancers(kgo.StickyBalancer()))
	}
	cl, err := kgo.NewClient(opts...)
	if err != nil {
		return err
	}
	for {
		cl.PollFetches(context.Background()).EachRecord(func(r *kgo.Record) { fmt.Println("got", string(r.Value)) })
		if err := cl.CommitUncommittedOffsets(context.Background()); err != nil {
			fmt.Println("commit", err) // a rebalance took the partition away: whoever gets it reads on from the last commit
		}
	}
}
