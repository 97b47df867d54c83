package broker

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/firnlog/firnlog/coordination"
	kvmemory "github.com/firnlog/firnlog/coordination/memory"
	"github.com/firnlog/firnlog/core/config"
	"github.com/firnlog/firnlog/core/telemetry"
	"github.com/firnlog/firnlog/objectstore"
	"github.com/firnlog/firnlog/objectstore/memory"
)

// running is a broker in this process.
type running struct {
	kafka, http string
	stop        func()
}

func start(t *testing.T, store objectstore.Store, kv coordination.KV, change ...func(*Settings)) *running {
	t.Helper()
	log := io.Discard
	if testing.Verbose() {
		log = os.Stderr
	}
	settings := Settings{
		Serving: config.Serving{
			Kafka: []string{"127.0.0.1:0"}, HTTP: "127.0.0.1:0", Cluster: "test", NodeID: -1, AutoCreate: true, Partitions: 1,
			SegmentBytes: 8 << 20, IngestMemory: 64 << 20, HotCache: 64 << 20, ColdCache: 16 << 20, Uploads: 4,
			GroupConsumerSession: 6 * time.Second, GroupConsumerHeartbeat: 500 * time.Millisecond, MetricsSeries: 1000,
		},
		Linger: 5 * time.Millisecond, Store: store, KV: kv, Version: "test", Log: telemetry.NewLogger(log, "debug"),
	}
	for _, f := range change {
		f(&settings)
	}
	b, err := New(settings)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ready := make(chan *running, 1)
	ended := make(chan error, 1)
	go func() {
		ended <- b.Run(ctx, func(kafka, http string) { ready <- &running{kafka: kafka, http: http} })
	}()
	var once sync.Once
	stop := func() {
		once.Do(func() {
			cancel()
			if err := <-ended; err != nil {
				t.Errorf("broker ended with: %v", err)
			}
		})
	}
	t.Cleanup(stop)
	select {
	case r := <-ready:
		r.stop = stop
		return r
	case err := <-ended:
		t.Fatalf("broker did not start: %v", err)
		return nil
	}
}

func newKV() coordination.KV { return kvmemory.New(kvmemory.Settings{}) }

func client(t *testing.T, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	opts = append(opts, kgo.RetryTimeout(10*time.Second))
	if testing.Verbose() {
		opts = append(opts, kgo.WithLogger(kgo.BasicLogger(os.Stderr, kgo.LogLevelWarn, nil)))
	}
	c, err := kgo.NewClient(opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func TestCluster_WrittenThroughAnyBrokerIsReadThroughEveryOther(t *testing.T) {
	store, kv := memory.New(), newKV()
	var brokers []*running
	for range 3 {
		brokers = append(brokers, start(t, store, kv))
	}
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	admin := kadm.NewClient(client(t, kgo.SeedBrokers(brokers[0].kafka)))
	if _, err := admin.CreateTopic(ctx, 12, 3, nil, "flights"); err != nil {
		t.Fatal(err)
	}
	const n = 3000
	for i, b := range brokers {
		p := client(t, kgo.SeedBrokers(b.kafka), kgo.DefaultProduceTopic("flights"))
		for k := range n / 3 {
			p.Produce(ctx, &kgo.Record{Key: fmt.Appendf(nil, "key-%d", k%50), Value: fmt.Appendf(nil, "%d/%d", i, k)}, func(_ *kgo.Record, err error) {
				if err != nil {
					t.Errorf("produce: %v", err)
				}
			})
		}
		if err := p.Flush(ctx); err != nil {
			t.Fatal(err)
		}
	}
	for _, b := range brokers {
		c := client(t, kgo.SeedBrokers(b.kafka), kgo.ConsumeTopics("flights"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
		last := map[string]int{}
		next := map[int32]int64{}
		for got := 0; got < n; {
			fetches := c.PollFetches(ctx)
			if err := fetches.Err(); err != nil {
				t.Fatalf("after %d records: %v", got, err)
			}
			fetches.EachRecord(func(r *kgo.Record) {
				var i, k int
				fmt.Sscanf(string(r.Value), "%d/%d", &i, &k)
				writer := fmt.Sprintf("%d/%s", i, r.Key)
				if before, ok := last[writer]; ok && k <= before {
					t.Errorf("%s: %d after %d", writer, k, before)
				}
				last[writer] = k
				if r.Offset != next[r.Partition] {
					t.Errorf("partition %d: offset %d, want %d", r.Partition, r.Offset, next[r.Partition])
				}
				next[r.Partition] = r.Offset + 1
				got++
			})
		}
	}
}

func TestRestart_KeepsEverything(t *testing.T) {
	store, kv := memory.New(), newKV()
	b := start(t, store, kv)
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	p := client(t, kgo.SeedBrokers(b.kafka), kgo.DefaultProduceTopic("t"), kgo.AllowAutoTopicCreation())
	if err := p.ProduceSync(ctx, kgo.StringRecord("kept")).FirstErr(); err != nil {
		t.Fatal(err)
	}
	b.stop()
	b = start(t, store, kv)
	c := client(t, kgo.SeedBrokers(b.kafka), kgo.ConsumeTopics("t"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	fetches := c.PollFetches(ctx)
	if err := fetches.Err(); err != nil {
		t.Fatal(err)
	}
	if got := string(fetches.Records()[0].Value); got != "kept" {
		t.Errorf("read %q", got)
	}
}

func TestHTTP_SaysThatItIsReadyAndShowsMetrics(t *testing.T) {
	b := start(t, memory.New(), newKV())
	for _, path := range []string{"/healthz", "/readyz", "/metrics"} {
		resp, err := http.Get(b.http + path)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK || len(body) == 0 {
			t.Errorf("%s: %d %q", path, resp.StatusCode, body)
		}
	}
}
