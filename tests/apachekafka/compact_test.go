//go:build stack

package apachekafka

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/firnlog/firnlog/tests/stack/harness"
)

// TestCompact_LeavesTheRecordsThatApacheKafkaLeaves writes the same records, tombstones and transactions to a compacted topic of
// firnlog and of Apache Kafka, and waits until each has one record of each key. They must be the same.
func TestCompact_LeavesTheRecordsThatApacheKafkaLeaves(t *testing.T) {
	kafka := Start(t, "log.cleaner.backoff.ms=500", "offsets.topic.replication.factor=1", "transaction.state.log.replication.factor=1", "transaction.state.log.min.isr=1")
	firnlog := harness.StartDev(t, t.TempDir(), "--settle-age", "1s")
	want := compacted(t, kafka.Bootstrap)
	got := compacted(t, firnlog.Kafka)
	if !slices.Equal(got, want) {
		t.Errorf("firnlog leaves\n%q\nApache Kafka\n%q", got, want)
	}
	t.Logf("%d records are left of %d", len(got), compactRecords)
}

const (
	compactRecords = 900
	compactKeys    = 60
	compactTopic   = "compacted"
	lastKey        = "end" // Kafka never compacts its active segment, which begins with it
)

// compacted writes, and gives what is left once every key has one record.
func compacted(t *testing.T, bootstrap string) []string {
	t.Helper()
	client := newClient(t, bootstrap)
	configs := map[string]*string{}
	for name, value := range map[string]string{"cleanup.policy": "compact", "min.cleanable.dirty.ratio": "0.0", "segment.ms": "1000", "delete.retention.ms": "86400000"} {
		configs[name] = kadm.StringPtr(value)
	}
	if _, err := kadm.NewClient(client).CreateTopic(t.Context(), 1, 1, configs, compactTopic); err != nil {
		t.Fatal(err)
	}
	writeKeys(t, bootstrap)
	time.Sleep(2 * time.Second)
	end := &kgo.Record{Topic: compactTopic, Key: []byte(lastKey), Value: []byte("x")}
	if err := client.ProduceSync(t.Context(), end).FirstErr(); err != nil {
		t.Fatal(err)
	}
	var left []string
	took := harness.Await(t, 4*time.Minute, "one record of each key", func() error {
		var twice int
		if left, twice = survivors(t, bootstrap); twice > 0 {
			return fmt.Errorf("%d records too many", twice)
		}
		return nil
	})
	t.Logf("%s: compacted %v after the last write", bootstrap, took.Round(time.Second))
	return left
}

func newClient(t *testing.T, bootstrap string, options ...kgo.Opt) *kgo.Client {
	t.Helper()
	c, err := kgo.NewClient(append(options, kgo.SeedBrokers(bootstrap))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// writeKeys sends the same to whichever broker: transactions of some records each, every third of them aborted.
func writeKeys(t *testing.T, bootstrap string) {
	t.Helper()
	dice := rand.New(rand.NewPCG(1, 2))
	c := newClient(t, bootstrap, kgo.TransactionalID("compact"), kgo.ProducerBatchCompression(kgo.GzipCompression()))
	for n := 0; n < compactRecords; {
		if err := c.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		for range 10 + dice.IntN(20) {
			r := &kgo.Record{Topic: compactTopic, Key: fmt.Appendf(nil, "k%d", dice.IntN(compactKeys)), Value: fmt.Appendf(nil, "%d", n)}
			if dice.IntN(5) == 0 {
				r.Value = nil
			}
			if err := c.ProduceSync(t.Context(), r).FirstErr(); err != nil {
				t.Fatal(err)
			}
			n++
		}
		if err := c.EndTransaction(t.Context(), kgo.TransactionEndTry(dice.IntN(3) > 0)); err != nil {
			t.Fatal(err)
		}
	}
}

// survivors reads the topic from its start as a client of read_uncommitted: what compaction has not removed is seen.
func survivors(t *testing.T, bootstrap string) (left []string, twice int) {
	t.Helper()
	c, err := kgo.NewClient(kgo.SeedBrokers(bootstrap), kgo.ConsumeTopics(compactTopic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	seen := map[string]bool{}
	for {
		fetches := c.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatal(err)
		}
		for _, r := range fetches.Records() {
			if string(r.Key) == lastKey {
				slices.Sort(left)
				return left, twice
			}
			if seen[string(r.Key)] {
				twice++
			}
			seen[string(r.Key)] = true
			left = append(left, fmt.Sprintf("%s=%s (offset %d, null %v)", r.Key, r.Value, r.Offset, r.Value == nil))
		}
	}
}
