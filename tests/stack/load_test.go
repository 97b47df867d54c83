//go:build stack

package stack_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/firnlog/firnlog/tests/stack/harness"
)

// traffic is producers at full speed, and what they were told. Each is idempotent with acks=all, and
// writes its own numbered values to all partitions in turn.
type traffic struct {
	t       *testing.T
	seeds   []string
	topic   string
	stop    context.CancelFunc // no new records
	life    context.Context    // of those on their way; ends with the test
	workers sync.WaitGroup
	mu      struct {
		sync.Mutex
		acked  map[place]string
		failed []error
	}
}

type place struct {
	partition int32
	offset    int64
}

const (
	trafficPartitions = 6
	// bufferedMax keeps the pace at what a test can read back in seconds.
	bufferedMax = 250
	// healMax is how long clients may take to go on after a fault has healed.
	healMax = time.Minute
)

// startTraffic creates the topic and begins.
func startTraffic(t *testing.T, seeds []string, topic string, workers int) *traffic {
	t.Helper()
	createTopic(t, seeds, trafficPartitions, nil, topic)
	ctx, stop := context.WithCancel(context.Background())
	life, abandon := context.WithCancel(context.Background())
	tr := &traffic{t: t, seeds: seeds, topic: topic, stop: stop, life: life}
	tr.mu.acked = map[place]string{}
	for w := range workers {
		client := newClient(t, seeds, kgo.DefaultProduceTopic(topic), kgo.RecordPartitioner(kgo.ManualPartitioner()),
			kgo.MaxBufferedRecords(bufferedMax), kgo.ProducerLinger(2*time.Millisecond), kgo.RetryTimeout(healMax),
			kgo.ProduceRequestTimeout(5*time.Second), kgo.MetadataMinAge(250*time.Millisecond))
		tr.workers.Go(func() { tr.work(ctx, client, w) })
	}
	t.Cleanup(func() {
		stop()
		abandon()
		tr.workers.Wait()
	})
	return tr
}

func (tr *traffic) work(ctx context.Context, client *kgo.Client, worker int) {
	padding := strings.Repeat("x", 100)
	for n := 0; ctx.Err() == nil; n++ {
		r := kgo.StringRecord(fmt.Sprintf("%d/%d/%s", worker, n, padding))
		r.Partition = int32(n % trafficPartitions)
		client.Produce(tr.life, r, tr.told) // blocks while the buffer is full
	}
	flush, cancel := context.WithTimeout(tr.life, 2*healMax)
	defer cancel()
	if err := client.Flush(flush); err != nil {
		tr.fail(fmt.Errorf("worker %d still waits for answers: %w", worker, err))
	}
}

func (tr *traffic) told(r *kgo.Record, err error) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	if err != nil {
		tr.mu.failed = append(tr.mu.failed, err)
		return
	}
	at := place{r.Partition, r.Offset}
	if other, twice := tr.mu.acked[at]; twice {
		tr.mu.failed = append(tr.mu.failed, fmt.Errorf("offset %v was given to %.20q and to %.20q", at, other, r.Value))
	}
	tr.mu.acked[at] = string(r.Value)
}

func (tr *traffic) fail(err error) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.mu.failed = append(tr.mu.failed, err)
}

func (tr *traffic) count() int {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	return len(tr.mu.acked)
}

// more waits until n more records are acknowledged, and gives how long that took.
func (tr *traffic) more(n int) time.Duration {
	tr.t.Helper()
	from := tr.count()
	return harness.Await(tr.t, 2*healMax, fmt.Sprint(n, " more records acknowledged"), func() error {
		if got := tr.count() - from; got < n {
			return fmt.Errorf("only %d", got)
		}
		return nil
	})
}

// check ends the traffic and compares what was acknowledged with what is there.
func (tr *traffic) check() {
	tr.t.Helper()
	tr.stop()
	tr.workers.Wait()
	tr.mu.Lock()
	acked, failed := tr.mu.acked, tr.mu.failed
	tr.mu.Unlock()
	if len(failed) > 0 {
		tr.t.Errorf("%d records failed, though a producer should have gone on: %v", len(failed), errors.Join(failed[:min(len(failed), 5)]...))
	}
	seen := map[string]place{}
	next := map[int32]int64{}
	last := map[string]int{} // by worker and partition
	found := 0
	for _, r := range readAll(tr.t, tr.seeds, tr.topic) {
		value, at := string(r.Value), place{r.Partition, r.Offset}
		if before, twice := seen[value]; twice {
			tr.t.Errorf("duplicate: %.20q at %v and %v", value, before, at)
		}
		seen[value] = at
		if r.Offset != next[r.Partition] {
			tr.t.Errorf("partition %d: offset %d follows %d", r.Partition, r.Offset, next[r.Partition]-1)
		}
		next[r.Partition] = r.Offset + 1
		tr.checkOrder(last, r)
		if want, ok := acked[at]; ok {
			found++
			if want != value {
				tr.t.Errorf("%v holds %.20q, acknowledged was %.20q", at, value, want)
			}
		}
	}
	if found != len(acked) {
		tr.t.Errorf("lost: %d of %d acknowledged records", len(acked)-found, len(acked))
	}
	if len(failed) == 0 && len(seen) != len(acked) {
		tr.t.Errorf("%d records are there, %d were sent", len(seen), len(acked))
	}
	tr.t.Logf("%d records acknowledged, all there at their offsets, none twice", len(acked))
}

// checkOrder wants each worker's values of a partition in the order in which it sent them.
func (tr *traffic) checkOrder(last map[string]int, r *kgo.Record) {
	tr.t.Helper()
	var worker, n int
	if _, err := fmt.Sscanf(string(r.Value), "%d/%d/", &worker, &n); err != nil {
		tr.t.Fatalf("value %q: %v", r.Value, err)
	}
	who := fmt.Sprint(worker, "/", r.Partition)
	if before, ok := last[who]; ok && n <= before {
		tr.t.Errorf("partition %d: worker %d's record %d comes after %d", r.Partition, worker, n, before)
	}
	last[who] = n
}
