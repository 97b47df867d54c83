//go:build stack

package stack_test

import (
	"context"
	"flag"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/firnlog/firnlog/tests/stack/harness"
)

var rollingRounds = flag.Int("rounds", 1, "how often TestRolling restarts each broker")

const (
	addedMax      = time.Second // of latency, at a restart
	steadyEvery   = 4 * time.Millisecond
	steadyWorkers = 2
	readers       = 2
	downFor       = 1500 * time.Millisecond // of a broker that comes back on another machine
)

// steady is a load at a fixed rate: idempotent producers and the members of a group, all of them with the settings that franz-go has
// by default. What any of them is told that is no success is an error here.
type steady struct {
	t     *testing.T
	seeds []string
	topic string
	stop  func()
	work  sync.WaitGroup
	mu    struct {
		sync.Mutex
		sent, acked int
		produced    []time.Duration // of each record from Produce to its acknowledgement, since the last measure
		delivered   []time.Duration // to a member of the group
		got         map[string]int
		members     map[string]time.Time // who got something last when
		errors      []string
	}
}

func newSteady(t *testing.T, seeds []string, topic string) *steady {
	createTopic(t, seeds, trafficPartitions, nil, topic)
	s := &steady{t: t, seeds: seeds, topic: topic}
	s.mu.got, s.mu.members = map[string]int{}, map[string]time.Time{}
	return s
}

func startSteady(t *testing.T, seeds []string, topic string) *steady {
	s := newSteady(t, seeds, topic)
	ctx, stop := context.WithCancel(context.Background())
	s.stop = stop
	reading, stopReading := context.WithCancel(context.Background())
	for member := range readers {
		c := newClient(t, seeds, kgo.ConsumeTopics(topic), kgo.ConsumerGroup("rolling"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
		s.work.Go(func() { s.read(reading, c, fmt.Sprint(member)) })
	}
	var writing sync.WaitGroup
	for w := range steadyWorkers {
		c := newClient(t, seeds, kgo.DefaultProduceTopic(topic), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerLinger(0))
		writing.Go(func() { s.write(ctx, c, w) })
	}
	s.work.Go(func() { writing.Wait(); s.awaitAll(reading); stopReading() })
	t.Cleanup(func() { stop(); stopReading(); s.work.Wait() })
	return s
}

func (s *steady) write(ctx context.Context, c *kgo.Client, worker int) {
	tick := time.NewTicker(steadyEvery)
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			flush, cancel := context.WithTimeout(context.Background(), healMax)
			defer cancel()
			if err := c.Flush(flush); err != nil {
				s.failed("flush: %v", err)
			}
			return
		case <-tick.C:
		}
		began := time.Now()
		r := kgo.StringRecord(fmt.Sprintf("%d/%d/%d", worker, n, began.UnixNano()))
		r.Partition = int32(n % trafficPartitions)
		s.sent()
		c.TryProduce(context.Background(), r, func(_ *kgo.Record, err error) {
			if err != nil {
				s.failed("produce: %v", err)
				return
			}
			s.acked(time.Since(began))
		})
	}
}

func (s *steady) sent() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.sent++
}

func (s *steady) acked(after time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.acked++
	s.mu.produced = append(s.mu.produced, after)
}

func (s *steady) got(member, value string, after time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.members[member] = time.Now()
	s.mu.delivered = append(s.mu.delivered, after)
	s.mu.got[value]++
}

func (s *steady) read(ctx context.Context, c *kgo.Client, member string) {
	for ctx.Err() == nil {
		fetches := c.PollFetches(ctx)
		fetches.EachError(func(topic string, partition int32, err error) {
			if ctx.Err() == nil {
				s.failed("consume %s/%d: %v", topic, partition, err)
			}
		})
		now := time.Now()
		fetches.EachRecord(func(r *kgo.Record) {
			var worker, n int
			var at int64
			if _, err := fmt.Sscanf(string(r.Value), "%d/%d/%d", &worker, &n, &at); err != nil {
				s.failed("a record of nobody: %q", r.Value)
			}
			s.got(member, string(r.Value), now.Sub(time.Unix(0, at)))
		})
	}
	leave, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := c.CommitMarkedOffsets(leave); err != nil {
		s.failed("commit: %v", err)
	}
}

// awaitAll waits until every record that was acknowledged has been read.
func (s *steady) awaitAll(ctx context.Context) {
	deadline := time.Now().Add(healMax)
	for ctx.Err() == nil && time.Now().Before(deadline) {
		s.mu.Lock()
		missing := s.mu.acked - len(s.mu.got)
		s.mu.Unlock()
		if missing <= 0 {
			return
		}
		time.Sleep(harness.Poll)
	}
}

func (s *steady) failed(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.errors = append(s.mu.errors, fmt.Sprintf(format, args...))
}

// measured is what was seen since the last call.
type measured struct{ produced, delivered []time.Duration }

func (s *steady) measure() (m measured) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m = measured{s.mu.produced, s.mu.delivered}
	s.mu.produced, s.mu.delivered = nil, nil
	slices.Sort(m.produced)
	slices.Sort(m.delivered)
	return m
}

func at(sorted []time.Duration, part float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(int(part*float64(len(sorted))), len(sorted)-1)]
}

func summary(sorted []time.Duration) string {
	r := func(d time.Duration) time.Duration { return d.Round(time.Millisecond) }
	return fmt.Sprintf("p50 %v, p99 %v, max %v of %d", r(at(sorted, 0.5)), r(at(sorted, 0.99)), r(at(sorted, 1)), len(sorted))
}

// end stops the load, and wants every record to be there once. The group may have read some twice: that is what its commits are for.
func (s *steady) end() {
	s.t.Helper()
	s.stop()
	s.work.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.mu.errors) > 0 {
		s.t.Errorf("clients were told of %d errors, first: %s", len(s.mu.errors), strings.Join(s.mu.errors[:min(len(s.mu.errors), 5)], "; "))
	}
	stored := map[string]int{}
	for _, r := range readAll(s.t, s.seeds, s.topic) {
		stored[string(r.Value)]++
		if stored[string(r.Value)] > 1 {
			s.t.Errorf("stored twice: %s", r.Value)
		}
	}
	if len(stored) != s.mu.sent || s.mu.acked != s.mu.sent {
		s.t.Errorf("%d records sent, %d acknowledged, %d stored", s.mu.sent, s.mu.acked, len(stored))
	}
	again := 0
	for value := range stored {
		if n := s.mu.got[value]; n == 0 {
			s.t.Errorf("the group never got %s", value)
		} else if n > 1 {
			again++
		}
	}
	s.t.Logf("%d records, each stored once and read by the group; %d of them read again after a rebalance", len(stored), again)
}

// A broker that is asked to stop sends its clients away before it does: none is told of an error, none waits for a second.
func TestRolling_RestartOfThreeBrokersIsNotNoticed(t *testing.T) {
	c := harness.StartCluster(t, harness.Options{Brokers: 3, Arguments: rollingArguments})
	roll(t, c, startSteady(t, c.Seeds(), "rolling"))
}

func rollingArguments(int) []string { return []string{"--group-initial-rebalance-delay", "100ms"} }

// reads says that all members read, and nothing is left lying: a partition that moves between members of a KIP-848 group waits for
// heartbeats, which are five seconds apart.
func (s *steady) reads() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	reading := 0
	for _, last := range s.mu.members {
		if time.Since(last) < time.Second {
			reading++
		}
	}
	if behind := s.mu.acked - len(s.mu.got); len(s.mu.got) < 500 || behind > 50 || reading < readers {
		return fmt.Errorf("%d records so far, %d behind, %d members reading", len(s.mu.got), behind, reading)
	}
	return nil
}

// roll restarts one broker after the other while a load goes on, and says how much that added.
func roll(t *testing.T, c *harness.Cluster, s *steady) {
	t.Helper()
	harness.Await(t, healMax, "all members of the group read", s.reads)
	s.measure()
	time.Sleep(2 * time.Second) // what is measured, nothing is waited for
	before := s.measure()
	for round := range *rollingRounds {
		for _, b := range c.Brokers {
			stopped := b.Stop(10 * time.Second)
			time.Sleep(downFor)
			up := b.Up()
			harness.Await(t, healMax, b.Name+" is ready", b.Serves)
			t.Logf("round %d, %s: ended %v after SIGTERM, ready %v after its start", round, b.Name, stopped.Round(time.Millisecond), up.Round(time.Millisecond))
		}
	}
	during := s.measure()
	t.Logf("produce before: %s", summary(before.produced))
	t.Logf("produce during: %s", summary(during.produced))
	t.Logf("end to end before: %s", summary(before.delivered))
	t.Logf("end to end during: %s", summary(during.delivered))
	if added := at(during.produced, 1) - at(before.produced, 0.99); added > addedMax {
		t.Errorf("a restart added %v to a produce request, want at most %v", added, addedMax)
	}
	if added := at(during.delivered, 1) - at(before.delivered, 0.99); added > addedMax {
		t.Errorf("a restart added %v until a record was read, want at most %v", added, addedMax)
	}
	s.end()
}
