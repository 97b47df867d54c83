//go:build stack

package groups

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/firnlog/firnlog/tests/stack/harness"
)

// stage is brokers on one etcd and a folder, topics that are written to all the time, and groups.
type stage struct {
	*testing.T
	etcd    *harness.Etcd
	brokers []*harness.Broker
	seeds   []string
	admin   *kgo.Client
	begin   time.Time
	crowds  []*crowd
	ends    struct {
		sync.Mutex
		of map[string]map[Partition]int64
	}
}

func newStage(t *testing.T) *stage {
	t.Helper()
	return newStageOf(t, 3, "--group-consumer-session", session.String(), "--group-consumer-heartbeat", "1s")
}

func newStageOf(t *testing.T, brokers int, args ...string) *stage {
	t.Helper()
	s := &stage{T: t, etcd: harness.NewEtcd(t), begin: time.Now()}
	s.ends.of = map[string]map[Partition]int64{}
	s.etcd.Up()
	dir := t.TempDir()
	for i := range brokers {
		s.brokers = append(s.brokers, harness.NewBroker(t, fmt.Sprint("broker-", i), nil,
			append([]string{"broker", "--store", "file://" + dir, "--etcd", s.etcd.Endpoint, "--linger", "20ms"}, args...)...))
		s.brokers[i].Start()
	}
	for _, b := range s.brokers {
		b.AwaitReady()
		s.seeds = append(s.seeds, b.Kafka)
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(s.seeds...), kgo.RetryTimeout(30*time.Second), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	s.admin = client
	return s
}

func (s *stage) topic(name string, partitions int32) {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), 30*time.Second)
	defer cancel()
	if _, err := kadm.NewClient(s.admin).CreateTopic(ctx, partitions, 1, nil, name); err != nil {
		s.Fatal(err)
	}
	s.ends.Lock()
	defer s.ends.Unlock()
	s.ends.of[name] = map[Partition]int64{}
	for n := range partitions {
		s.ends.of[name][Partition{name, n}] = 0
	}
}

func (s *stage) crowd(protocol, topic string, partitions int32, size int, seed uint64) {
	name := fmt.Sprintf("%s-%dx%d", protocol, size, partitions)
	s.crowds = append(s.crowds, &crowd{
		Recorder: NewRecorder(func() time.Duration { return time.Since(s.begin) }), t: s.T, name: name, topic: topic, partitions: partitions, size: size,
		options: protocols[protocol], seeds: s.seeds, admin: s.admin, dice: rand.New(rand.NewPCG(seed, uint64(size)<<32|uint64(partitions))), acts: map[string]int{},
	})
}

// produce writes to every partition of every topic in turn, until ctx ends. It does not count what it is not sure of.
func (s *stage) produce(ctx context.Context) {
	client, err := kgo.NewClient(kgo.SeedBrokers(s.seeds...), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerLinger(50*time.Millisecond))
	if err != nil {
		s.Error(err)
		return
	}
	defer client.Close()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			if err := client.Flush(context.Background()); err != nil {
				s.Error(err)
			}
			return
		case <-tick.C:
		}
		for topic, partitions := range s.ends.of {
			for p := range partitions {
				for range 1 + 20/len(partitions) {
					client.Produce(context.Background(), &kgo.Record{Topic: topic, Partition: p.Number, Value: []byte("a record of some bytes")}, s.produced)
				}
			}
		}
	}
}

func (s *stage) produced(r *kgo.Record, err error) {
	if err != nil {
		s.Errorf("produce: %v", err)
		return
	}
	s.ends.Lock()
	defer s.ends.Unlock()
	p := Partition{r.Topic, r.Partition}
	s.ends.of[r.Topic][p] = max(s.ends.of[r.Topic][p], r.Offset+1)
}

func (s *stage) endsOf(topic string) map[Partition]int64 {
	s.ends.Lock()
	defer s.ends.Unlock()
	out := map[Partition]int64{}
	for p, end := range s.ends.of[topic] {
		out[p] = end
	}
	return out
}

// killCoordinator kills the broker that coordinates a group, and starts it again some seconds later.
func (s *stage) killCoordinator(ctx context.Context, group string) {
	req := kmsg.NewPtrFindCoordinatorRequest()
	req.CoordinatorKey, req.CoordinatorKeys = group, []string{group}
	resp, err := req.RequestWith(ctx, s.admin)
	if err != nil || len(resp.Coordinators) != 1 || resp.Coordinators[0].ErrorCode != 0 {
		s.Fatalf("find coordinator: %+v, %v", resp, err)
	}
	at := harness.Address(int(resp.Coordinators[0].Port))
	for _, b := range s.brokers {
		if b.Kafka == at {
			b.Kill()
			s.Logf("%s, which coordinates %s, is killed after %v", b.Name, group, time.Since(s.begin).Round(time.Second))
			time.Sleep(5 * time.Second) // the fault takes so long
			b.Up()
			return
		}
	}
	s.Fatalf("no broker at %s", at)
}

// Bounds of a busy machine.
const (
	settleMax = 40 * time.Second // sessions, the lease of a dead broker, and the rebalances behind them
	quiet     = 5 * time.Second
)

// play runs all groups under faults for a while, heals, and checks every history.
func (s *stage) play(chaos time.Duration, kills int) {
	s.Helper()
	producing, stopProducing := context.WithCancel(context.Background())
	busy, calm := context.WithTimeout(s.Context(), chaos)
	defer calm()
	var producer, lives sync.WaitGroup
	producer.Go(func() { s.produce(producing) })
	for _, c := range s.crowds {
		lives.Go(func() { c.live(busy) })
	}
	for i := range kills {
		s.crowds[0].wait(busy, chaos/time.Duration(kills+1))
		s.killCoordinator(s.Context(), s.crowds[(i+1)*len(s.crowds)/kills-1].name)
	}
	lives.Wait()
	for _, c := range s.crowds {
		time.Sleep(time.Until(c.calm)) // the fault goes on until then
	}
	healed := time.Since(s.begin)
	time.Sleep(session) // whoever was put out meanwhile, and does not know it yet, looks settled
	for _, c := range s.crowds {
		harness.Await(s.T, settleMax, c.name+" settles", func() error { return c.settled(s.endsOf(c.topic), healed) })
	}
	settled := time.Since(s.begin)
	for _, c := range s.crowds {
		c.haunt(true)
	}
	stopProducing()
	producer.Wait()
	for _, c := range s.crowds {
		harness.Await(s.T, settleMax, c.name+" has processed all", func() error { return c.read(s.Context(), s.endsOf(c.topic)) })
	}
	time.Sleep(quiet) // in which nothing may happen
	var rows [][2]string
	for _, c := range s.crowds {
		rows = append(rows, s.judge(c, healed, settled))
		c.end()
	}
	harness.Table(s.T, "groups", rows)
}

func (s *stage) judge(c *crowd, healed, settled time.Duration) [2]string {
	h := c.history(s.endsOf(c.topic), healed)
	h.SettleMax = settled - healed
	violations, n := Check(h)
	for _, v := range violations {
		s.Error(v)
	}
	return [2]string{c.name, fmt.Sprintf("%v: %d generations, %d handovers, commits %v, %d records processed (%d again), settled after %v",
		c.acts, n.Rebalances, n.Handovers, n.Commits, n.Processed, n.Again, n.Settled.Round(100*time.Millisecond))}
}
