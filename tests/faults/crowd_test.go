//go:build stack

package faults

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/firnlog/firnlog/sim/queues"
	"github.com/firnlog/firnlog/tests/stack/harness"
)

// Libraries whose clients there are. Those of franz-go live in the test itself.
const (
	franz      = "franz-go"
	librdkafka = "librdkafka"
	java       = "java"
)

// Each library has inputs, which its transformers turn into its results; all senders write to all inputs and to the logs,
// and readers read everything.
func inputs(library string) string  { return library + "-inputs" }
func results(library string) string { return library + "-results" }

const (
	logs       = "logs"
	partitions = 2 // of each topic
)

// crowd is all clients, and what they did.
type crowd struct {
	*queues.Recorder
	t         testing.TB
	seeds     []string
	libraries []string
	topics    []string // a key is the place in here, times the partitions, plus the partition
	monotonic int64    // when the history began, in ns of CLOCK_MONOTONIC
	foreign   []*foreign
	writing   context.Context // ends before reading does
	reading   context.Context
	senders   sync.WaitGroup
	others    sync.WaitGroup
	mu        struct {
		sync.Mutex
		processes int
		value     queues.Value
		names     map[int]string           // of processes
		pulse     map[string]time.Duration // by client: when the newest operation began that succeeded
		drained   bool
	}
}

func newCrowd(t testing.TB, seeds, libraries []string) *crowd {
	t.Helper()
	begin := time.Now()
	c := &crowd{
		Recorder: queues.NewRecorder(func() time.Duration { return time.Since(begin) }), monotonic: monotonic(t),
		t: t, seeds: seeds, libraries: libraries, topics: []string{logs},
	}
	for _, library := range libraries {
		c.topics = append(c.topics, inputs(library), results(library))
	}
	c.mu.names, c.mu.pulse = map[int]string{}, map[string]time.Duration{}
	admin := kadm.NewClient(c.client())
	defer admin.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	resp, err := admin.CreateTopics(ctx, partitions, 1, nil, c.topics...)
	if err != nil || resp.Error() != nil {
		t.Fatal(err, resp.Error())
	}
	return c
}

// since is a time of CLOCK_MONOTONIC in the history.
func (c *crowd) since(ns int64) time.Duration { return time.Duration(ns - c.monotonic) }

// keyOf is the key of a partition; -1 if it is none of this crowd's.
func (c *crowd) keyOf(topic string, partition int32) queues.Key {
	i := slices.Index(c.topics, topic)
	if i < 0 || partition < 0 || partition >= partitions {
		return -1
	}
	return queues.Key(int32(i)*partitions + partition)
}

// writable are the topics that senders write to.
func (c *crowd) writable() []string {
	out := []string{logs}
	for _, library := range c.libraries {
		out = append(out, inputs(library))
	}
	return out
}

// inputKeys are all that transformers must have worked on by the end.
func (c *crowd) inputKeys() (out []queues.Key) {
	for _, library := range c.libraries {
		for p := range int32(partitions) {
			out = append(out, c.keyOf(inputs(library), p))
		}
	}
	return out
}

func (c *crowd) everyKey() (out []queues.Key) {
	for k := range queues.Key(len(c.topics) * partitions) {
		out = append(out, k)
	}
	return out
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
	return r, queues.Step{Key: c.keyOf(topic, partition), Offset: queues.NoOffset, Value: v, Sent: true}
}

func (c *crowd) step(r *kgo.Record) queues.Step {
	v, err := strconv.ParseInt(string(r.Value), 10, 64)
	if err != nil {
		v = -1 - r.Offset // nobody has sent it
	}
	return queues.Step{Key: c.keyOf(r.Topic, r.Partition), Offset: r.Offset, Value: queues.Value(v)}
}

// done notes an operation, and that this client gets on.
func (c *crowd) done(who string, op queues.Op) {
	c.Add(op)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mu.names[op.Process] = who
	if op.Outcome != queues.Done || len(op.Steps) == 0 {
		return
	}
	c.mu.pulse[who] = max(c.mu.pulse[who], op.Start)
}

// getsOn says that every client of a library has done something that it began after a time.
func (c *crowd) getsOn(library string, since time.Duration) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for who, at := range c.mu.pulse {
		if at <= since && strings.HasPrefix(who, library+" ") {
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
			who := fmt.Sprint(franz, " ", kind, " ", i)
			c.live(who)
			group.Go(func() { live(who, i) })
		}
	}
	for _, library := range c.libraries {
		if library == franz {
			continue
		}
		f := c.startForeign(library)
		c.foreign = append(c.foreign, f)
		for _, kind := range foreignKinds(library) {
			c.live(library + " " + kind)
		}
	}
	once := func(word string, stop func(), wait *sync.WaitGroup) func() {
		return sync.OnceFunc(func() {
			stop()
			for _, f := range c.foreign {
				f.finish(word)
			}
			wait.Wait()
		})
	}
	return once("stop", stopWriting, &c.senders), once("end", stopReading, &c.others)
}

// live notes that there is a client, which has done nothing yet.
func (c *crowd) live(who string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mu.pulse[who] = max(c.mu.pulse[who], 0)
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

// awaitGetsOn waits until every client has done something new, and gives how long that took, by library.
func (c *crowd) awaitGetsOn(t testing.TB, since time.Duration) map[string]time.Duration {
	t.Helper()
	took := map[string]time.Duration{}
	harness.Await(t, getsOnMax, "all clients get on", func() (still error) {
		for _, library := range c.libraries {
			if took[library] != 0 {
				continue
			}
			if err := c.getsOn(library, since); err != nil {
				still = errors.Join(still, err)
				continue
			}
			took[library] = c.Now() - since
		}
		return still
	})
	return took
}
