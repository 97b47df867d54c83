//go:build stack

package apachekafka

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/firnlog/firnlog/tests/stack/harness"
)

// wide is a transaction over so many partitions, ended so many times.
type wide struct{ partitions, ends int }

var wides = []wide{{1, 200}, {100, 100}, {5000, 20}}

// partitionsMax is how many partitions a topic has: 5,000 are five topics.
const partitionsMax = 1000

// ended is what the ends of one width took.
type ended struct {
	answer, readable []time.Duration // from EndTxn to its answer; to the moment from which on readers get the records of all partitions
	commits, puts    []int           // etcd transactions and PUTs of firnlog meanwhile
}

// TestFigures_EndOfATransaction ends transactions with one client (franz-go, transactions of version 2) at firnlog and at Apache Kafka, one
// record in each partition. firnlog: one broker, etcd that syncs each write to disk, objects in a folder. Kafka: one node, which
// answers EndTxn once it has noted the intent, and writes the markers afterwards; it syncs nothing to disk.
func TestFigures_EndOfATransaction(t *testing.T) {
	etcd := harness.NewEtcd(t)
	etcd.Up()
	broker := harness.NewBroker(t, "broker", nil, "broker", "--store", "file://"+t.TempDir(), "--etcd", etcd.Endpoint, "--linger", "10ms")
	broker.Up()
	firnlog := measureEnds(t, broker.Kafka, broker)
	broker.Stop(20 * time.Second)
	etcd.Kill()
	kafka := measureEnds(t, Start(t).Bootstrap, nil)

	table := "| partitions | ends | firnlog: answer p50 / p99 | readable p50 / p99 | etcd transactions | PUTs | Kafka " + Version() + ": answer p50 / p99 | readable p50 / p99 |\n|" + strings.Repeat("---|", 8) + "\n"
	for i, w := range wides {
		f, k := firnlog[i], kafka[i]
		table += fmt.Sprintf("| %d | %d | %s | %s | %s | %s | %s | %s |\n", w.partitions, w.ends,
			percentiles(f.answer), percentiles(f.readable), spread(f.commits), spread(f.puts), percentiles(k.answer), percentiles(k.readable))
		if one := slices.Min(f.commits); one != 1 {
			t.Errorf("%d partitions: the least of etcd transactions of an end is %d, want 1", w.partitions, one)
		}
		if none := slices.Min(f.puts); none != 0 {
			t.Errorf("%d partitions: the least of PUTs of an end is %d, want 0", w.partitions, none)
		}
	}
	t.Logf("ending a transaction\n%s", table)
}

func measureEnds(t *testing.T, bootstrap string, firnlog *harness.Broker) (all []ended) {
	for _, w := range wides {
		start := time.Now()
		all = append(all, w.measure(t, bootstrap, firnlog))
		t.Logf("%d ends over %d partitions in %v", w.ends, w.partitions, time.Since(start).Round(time.Second))
	}
	return all
}

// measure ends transactions of one width.
func (w wide) measure(t *testing.T, bootstrap string, firnlog *harness.Broker) (e ended) {
	clock := &endClock{}
	c, err := kgo.NewClient(kgo.SeedBrokers(bootstrap), kgo.TransactionalID(fmt.Sprint("wide-", w.partitions)), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.WithHooks(clock), kgo.TransactionTimeout(5*time.Minute), kgo.UnknownTopicRetries(-1)) // Kafka makes a topic some time after it said so
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	topics := w.topics(t, ctx, c)
	commits := func() int { return count(firnlog, "firnlog_etcd_requests_total", `op="commit"`) }
	puts := func() int { return count(firnlog, "firnlog_store_requests_total", `op="put"`) }
	const warm = 2 // ends that do not count
	for i := range w.ends + warm {
		var records []*kgo.Record
		for p := range w.partitions {
			records = append(records, &kgo.Record{Topic: topics[p/partitionsMax], Partition: int32(p % partitionsMax), Value: []byte("a record")})
		}
		err := errors.Join(c.BeginTransaction(), c.ProduceSync(ctx, records...).FirstErr())
		if err != nil {
			t.Fatal(err)
		}
		hadCommits, hadPuts, start := commits(), puts(), time.Now()
		if err := c.EndTransaction(ctx, kgo.TryCommit); err != nil {
			t.Fatal(err)
		}
		// Readable is asked for first: counting takes longer.
		next := int64(2 * (i + 1)) // each transaction is a record and a marker
		if err := awaitStable(ctx, c, topics, w.partitions, next); err != nil {
			t.Fatal(err)
		}
		readable := time.Since(start)
		if i < warm {
			continue
		}
		e.answer, e.readable = append(e.answer, clock.last()), append(e.readable, readable)
		e.commits, e.puts = append(e.commits, commits()-hadCommits), append(e.puts, puts()-hadPuts)
	}
	return e
}

func (w wide) topics(t *testing.T, ctx context.Context, c *kgo.Client) (names []string) {
	t.Helper()
	for first := 0; first < w.partitions; first += partitionsMax {
		names = append(names, fmt.Sprintf("wide-%d-%d", w.partitions, first))
		if _, err := kadm.NewClient(c).CreateTopic(ctx, int32(min(partitionsMax, w.partitions)), 1, nil, names[len(names)-1]); err != nil {
			t.Fatal(err)
		}
	}
	return names
}

// awaitStable waits until the last stable offset of each partition is next.
func awaitStable(ctx context.Context, c *kgo.Client, topics []string, partitions int, next int64) error {
	req := kmsg.NewPtrListOffsetsRequest()
	req.ReplicaID, req.IsolationLevel = -1, 1
	for _, name := range topics {
		topic := kmsg.NewListOffsetsRequestTopic()
		topic.Topic = name
		for p := range min(partitions, partitionsMax) {
			part := kmsg.NewListOffsetsRequestTopicPartition()
			part.Partition, part.Timestamp = int32(p), -1
			topic.Partitions = append(topic.Partitions, part)
		}
		req.Topics = append(req.Topics, topic)
	}
	for {
		resp, err := req.RequestWith(ctx, c)
		if err != nil {
			return err
		}
		stable := 0
		for _, topic := range resp.Topics {
			for _, p := range topic.Partitions {
				if p.Offset == next {
					stable++
				}
			}
		}
		if stable == partitions {
			return nil
		}
	}
}

func count(b *harness.Broker, metric, label string) int {
	if b == nil {
		return 0
	}
	return int(b.Metric(metric, label))
}

// endClock keeps how long the last EndTxn took, from its first byte to the last of its answer.
type endClock struct {
	mu struct {
		sync.Mutex
		took time.Duration
	}
}

// OnBrokerE2E is told each request by the client.
func (c *endClock) OnBrokerE2E(_ kgo.BrokerMetadata, key int16, e kgo.BrokerE2E) {
	if key != kmsg.EndTxn.Int16() {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mu.took = e.DurationE2E()
}

func (c *endClock) last() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.mu.took
}

func percentiles(all []time.Duration) string {
	sorted := slices.Sorted(slices.Values(all))
	at := func(q float64) string {
		return fmt.Sprintf("%.1f", sorted[int(q*float64(len(sorted)-1))].Seconds()*1000)
	}
	return at(0.5) + " / " + at(0.99) + " ms"
}

// spread tells the value of most, and how many had another: maintenance that ran meanwhile is counted too.
func spread(all []int) string {
	times := map[int]int{}
	most := all[0]
	for _, n := range all {
		if times[n]++; times[n] > times[most] {
			most = n
		}
	}
	if others := len(all) - times[most]; others > 0 {
		return fmt.Sprintf("%d (%d of %d beside maintenance)", most, others, len(all))
	}
	return fmt.Sprint(most)
}
