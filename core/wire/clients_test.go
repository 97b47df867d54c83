package wire

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/firnlog/firnlog/core/instance"
)

// franz gives a franz-go client of a server on the fakes.
func franz(t *testing.T, b *bench, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	addr, _ := serveOn(t, b, t.Context())
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	n, _ := strconv.Atoi(port)
	b.cluster.set(instance.Info{Node: 1, Zone: "a", Endpoints: []instance.Endpoint{{Host: host, Port: int32(n)}}})
	cl, err := kgo.NewClient(append(opts, kgo.SeedBrokers(addr))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	return cl
}

func TestFranz_ProducesIdempotentlyAndReadsBackInOrder(t *testing.T) {
	b := newBench(t)
	b.topic(t, "a", 3)
	cl := franz(t, b, kgo.DefaultProduceTopic("a"), kgo.ConsumeTopics("a"), kgo.ClientID("zone=a"), kgo.FetchMaxWait(time.Second), kgo.ProducerLinger(0))
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	const n = 300
	for i := range n {
		cl.Produce(ctx, &kgo.Record{Key: []byte{byte(i % 7)}, Value: []byte(fmt.Sprint(i))}, func(_ *kgo.Record, err error) {
			if err != nil {
				t.Error(err)
			}
		})
	}
	if err := cl.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	last, seen := map[int32]int64{}, 0
	for seen < n {
		fetches := cl.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatal(err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			if r.Offset != last[r.Partition] {
				t.Errorf("partition %d: offset %d, want %d", r.Partition, r.Offset, last[r.Partition])
			}
			last[r.Partition]++
			seen++
		})
	}
	b.sessions.mu.Lock()
	defer b.sessions.mu.Unlock()
	if len(b.sessions.mu.byID) == 0 {
		t.Error("the client had no fetch session")
	}
}

func TestFranz_AdministersTopics(t *testing.T) {
	b := newBench(t)
	adm := kadm.NewClient(franz(t, b))
	ctx := t.Context()
	made, err := adm.CreateTopic(ctx, 4, 1, map[string]*string{"cleanup.policy": kadm.StringPtr("compact")}, "a")
	if err != nil || made.NumPartitions != 4 {
		t.Fatalf("%+v, %v", made, err)
	}
	if grown, err := adm.UpdatePartitions(ctx, 6, "a"); err != nil || grown["a"].Err != nil {
		t.Fatal(grown, err)
	}
	if _, err := adm.AlterTopicConfigs(ctx, []kadm.AlterConfig{{Op: kadm.AppendConfig, Name: "cleanup.policy", Value: kadm.StringPtr("delete")}}, "a"); err != nil {
		t.Fatal(err)
	}
	configs, err := adm.DescribeTopicConfigs(ctx, "a")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range configs[0].Configs {
		if c.Key == "cleanup.policy" && *c.Value != "compact,delete" {
			t.Errorf("%s", *c.Value)
		}
	}
	listed, err := adm.ListTopics(ctx)
	if err != nil || len(listed["a"].Partitions) != 6 || listed["a"].ID.String() == "" {
		t.Fatalf("%+v, %v", listed, err)
	}
	ends, err := adm.ListEndOffsets(ctx, "a")
	if err != nil || len(ends["a"]) != 6 {
		t.Fatal(ends, err)
	}
	if low, err := adm.DeleteRecords(ctx, kadm.Offsets{"a": {0: {Topic: "a", Partition: 0, At: 0}}}); err != nil || low["a"][0].Err != nil {
		t.Fatal(low, err)
	}
	if gone, err := adm.DeleteTopic(ctx, "a"); err != nil || gone.Err != nil {
		t.Fatal(gone, err)
	}
	if info, err := adm.BrokerMetadata(ctx); err != nil || info.Cluster != "cluster" || len(info.Brokers) != 1 {
		t.Fatal(info, err)
	}
}
