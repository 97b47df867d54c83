//go:build stack

package faults

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/firnlog/firnlog/sim/queues"
	"github.com/firnlog/firnlog/tests/stack/harness"
)

// Topics of two partitions each, which are the keys 0 to 5.
const (
	inputs  = "inputs"
	logs    = "logs"
	results = "results"

	partitions = 2
	keys       = 6
)

var topics = [keys / partitions]string{inputs, logs, results}

func keyOf(r *kgo.Record) queues.Key {
	for i, name := range topics {
		if name == r.Topic {
			return queues.Key(int32(i)*partitions + r.Partition)
		}
	}
	return -1
}

// crowd is all clients, and what they did.
type crowd struct {
	*queues.Recorder
	t       testing.TB
	seeds   []string
	writing context.Context // ends before reading does
	reading context.Context
	senders sync.WaitGroup
	others  sync.WaitGroup
	mu      struct {
		sync.Mutex
		processes int
		value     queues.Value
		pulse     map[string]time.Duration // by client: when the newest operation began that succeeded
		drained   bool
	}
}

func newCrowd(t testing.TB, seeds []string) *crowd {
	t.Helper()
	begin := time.Now()
	c := &crowd{Recorder: queues.NewRecorder(func() time.Duration { return time.Since(begin) }), t: t, seeds: seeds}
	c.mu.pulse = map[string]time.Duration{}
	admin := kadm.NewClient(c.client())
	defer admin.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	resp, err := admin.CreateTopics(ctx, partitions, 1, nil, topics[:]...)
	if err != nil || resp.Error() != nil {
		t.Fatal(err, resp.Error())
	}
	return c
}

// client makes one that gives nothing up by itself.
func (c *crowd) client(opts ...kgo.Opt) *kgo.Client {
	client, err := kgo.NewClient(c.with(opts...)...)
	if err != nil {
		c.t.Errorf("make a client: %v", err) // runs on goroutines of clients too
		panic(err)
	}
	return client
}

func (c *crowd) with(opts ...kgo.Opt) []kgo.Opt {
	return append([]kgo.Opt{
		kgo.SeedBrokers(c.seeds...), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerLinger(time.Millisecond),
		kgo.MetadataMinAge(250 * time.Millisecond), kgo.ProduceRequestTimeout(5 * time.Second), kgo.RetryTimeout(harnessPatience),
		kgo.DialTimeout(2 * time.Second), kgo.RequestTimeoutOverhead(5 * time.Second),
	}, opts...)
}

// harnessPatience is how long clients try one request again.
const harnessPatience = time.Minute

func (c *crowd) process() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mu.processes++
	return c.mu.processes
}

// record makes one that nobody has sent.
func (c *crowd) record(topic string, partition int32) (*kgo.Record, queues.Step) {
	c.mu.Lock()
	c.mu.value++
	v := c.mu.value
	c.mu.Unlock()
	r := &kgo.Record{Topic: topic, Partition: partition, Value: strconv.AppendInt(nil, int64(v), 10)}
	return r, queues.Step{Key: keyOf(r), Offset: queues.NoOffset, Value: v, Sent: true}
}

func step(r *kgo.Record) queues.Step {
	v, err := strconv.ParseInt(string(r.Value), 10, 64)
	if err != nil {
		v = -1 - r.Offset // nobody has sent it
	}
	return queues.Step{Key: keyOf(r), Offset: r.Offset, Value: queues.Value(v)}
}

// done notes an operation, and that this client gets on.
func (c *crowd) done(who string, op queues.Op) {
	c.Add(op)
	if op.Outcome != queues.Done || len(op.Steps) == 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mu.pulse[who] = max(c.mu.pulse[who], op.Start)
}

// getsOn says that every client has done something that it began after a time.
func (c *crowd) getsOn(since time.Duration) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for who, at := range c.mu.pulse {
		if at <= since {
			return fmt.Errorf("%s began its last success %v before", who, since-at)
		}
	}
	return nil
}

// begin starts all clients, two of each kind.
func (c *crowd) begin() (stop func(), end func()) {
	writing, stopWriting := context.WithCancel(context.Background())
	reading, stopReading := context.WithCancel(context.Background())
	c.writing, c.reading = writing, reading
	kinds := map[string]func(who string, number int){
		"plain": c.plain, "idempotent": c.idempotent, "transactional": c.transactional, "reader": c.reader, "transformer": c.transformer,
	}
	for kind, live := range kinds {
		group := &c.senders
		if kind == "reader" || kind == "transformer" {
			group = &c.others
		}
		for i := range 2 {
			who := fmt.Sprint(kind, " ", i)
			c.mu.pulse[who] = 0
			group.Go(func() { live(who, i) })
		}
	}
	return func() { stopWriting(); c.senders.Wait() }, func() { stopReading(); c.others.Wait() }
}

// pause is a client's time between two operations.
func pause(ctx context.Context, most time.Duration) bool {
	t := time.NewTimer(rand.N(most))
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// awaitGetsOn waits until every client has done something new.
func (c *crowd) awaitGetsOn(t testing.TB, since time.Duration) {
	t.Helper()
	harness.Await(t, 90*time.Second, "all clients get on", func() error { return c.getsOn(since) })
}
