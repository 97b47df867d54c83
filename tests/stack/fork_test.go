//go:build stack

package stack_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/firnlog/firnlog/tests/stack/harness"
)

// forkTopic runs firnlog topic fork against a broker.
func forkTopic(t *testing.T, b *harness.Broker, args ...string) (made struct {
	Objects, Bytes, Gets int64
	Partitions           []struct{ Partition, Start, End, Aborted int64 }
}) {
	t.Helper()
	code, out := harness.Tools(t, nil, append([]string{"topic", "fork", "--json", "--kafka", b.Kafka, "--http", b.HTTP}, args...)...)
	if err := json.Unmarshal([]byte(out), &made); code != 0 || err != nil {
		t.Fatalf("fork %v ends with %d: %s", args, code, out)
	}
	return made
}

func produceSome(t *testing.T, seed, topic string, from, n int) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(seed), kgo.DefaultProduceTopic(topic), kgo.RecordPartitioner(kgo.RoundRobinPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	var records []*kgo.Record
	for i := range n {
		records = append(records, kgo.StringRecord(fmt.Sprintf("%s-%06d", topic, from+i)))
	}
	if err := client.ProduceSync(t.Context(), records...).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

// valuesOf reads a topic to its end, as read_committed consumers do.
func valuesOf(t *testing.T, seed, topic string, want int) (values []string) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(seed), kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for len(values) < want && ctx.Err() == nil {
		client.PollFetches(ctx).EachRecord(func(r *kgo.Record) { values = append(values, string(r.Value)) })
	}
	more, stop := context.WithTimeout(t.Context(), time.Second)
	defer stop()
	client.PollFetches(more).EachRecord(func(r *kgo.Record) { values = append(values, string(r.Value)) })
	if len(values) != want {
		t.Errorf("%s: %d records, want %d", topic, len(values), want)
	}
	slices.Sort(values)
	return values
}

// A topic is forked through one broker while a transaction is open in it, all there is and at a time; both forks and the source go
// on through the other broker, then the source is deleted, and a broker killed.
func TestFork_RealClientsReadSourceAndForks(t *testing.T) {
	c := harness.StartCluster(t, harness.Options{Brokers: 2, Arguments: func(int) []string {
		return []string{"--settle-bytes", "1MiB", "--settle-age", "1s"}
	}})
	a, b := c.Brokers[0], c.Brokers[1]
	if code, out := harness.Tools(t, nil, "topic", "create", "source", "--partitions", "3", "--kafka", a.Kafka); code != 0 {
		t.Fatal(out)
	}
	for i := range 10 {
		produceSome(t, a.Kafka, "source", i*600, 600)
	}
	open, err := kgo.NewClient(kgo.SeedBrokers(a.Kafka), kgo.TransactionalID("open"), kgo.DefaultProduceTopic("source"))
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	if err := open.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	if err := open.ProduceSync(t.Context(), kgo.StringRecord("open")).FirstErr(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(20 * time.Millisecond) // records are dated by the client, and forks by their dates
	at := time.Now()
	time.Sleep(20 * time.Millisecond)
	produceSome(t, a.Kafka, "source", 6000, 500)

	start := time.Now()
	all := forkTopic(t, b, "all", "--from", "source")
	took := time.Since(start)
	start = time.Now()
	then := forkTopic(t, b, "then", "--from", "source", "--at", fmt.Sprint(at.UnixMilli()))
	t.Logf("all there is: %v, %+v", took.Round(time.Millisecond), all)
	t.Logf("at a time: %v, %+v", time.Since(start).Round(time.Millisecond), then)
	if err := open.EndTransaction(t.Context(), kgo.TryCommit); err != nil {
		t.Fatal(err)
	}
	for _, topic := range []string{"source", "all", "then"} {
		produceSome(t, b.Kafka, topic, 90_000, 300)
	}
	valuesOf(t, b.Kafka, "source", 6801)
	wantAll := valuesOf(t, a.Kafka, "all", 6800)
	wantThen := valuesOf(t, a.Kafka, "then", 6300)
	if slices.Contains(wantAll, "open") || slices.Contains(wantThen, "open") || slices.Contains(wantThen, "source-006000") || !slices.Contains(wantThen, "source-005999") {
		t.Error("a fork has what it should not have, or lacks what it should have")
	}
	if code, out := harness.Tools(t, nil, "topic", "delete", "source", "--kafka", a.Kafka); code != 0 {
		t.Fatal(out)
	}
	for _, topic := range []string{"all", "then"} {
		produceSome(t, a.Kafka, topic, 91_000, 50)
	}
	a.Kill()
	if got := valuesOf(t, b.Kafka, "all", 6850); len(got) >= 6800 && !containsAll(got, wantAll) {
		t.Error("the fork of all has changed")
	}
	if got := valuesOf(t, b.Kafka, "then", 6350); len(got) >= 6300 && !containsAll(got, wantThen) {
		t.Error("the fork at a time has changed")
	}
	harness.Fsck(t, c.MinIO.Environ(), "--store", storeOf(c), "--etcd", c.Etcd.Endpoint)
}

// containsAll compares sorted lists.
func containsAll(list, want []string) bool {
	for _, v := range want {
		if _, there := slices.BinarySearch(list, v); !there {
			return false
		}
	}
	return true
}
