package broker

import (
	"context"
	"fmt"
	"maps"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/firnlog/firnlog/objectstore/memory"
)

// crowd is consumers of one group, with what each was given and what all have read.
type crowd struct {
	t    *testing.T
	seed []string
	opts []kgo.Opt

	mu    sync.Mutex
	seen  map[string]int // by value: how often
	owned map[int]map[string]bool
}

// line is a member's network, which can be cut: the member cannot say that it goes.
type line struct {
	mu   sync.Mutex
	open map[net.Conn]bool
	down bool
}

func (l *line) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.down {
		return nil, net.ErrClosed
	}
	nc, err := (&net.Dialer{}).DialContext(ctx, network, addr)
	if err == nil {
		l.open[nc] = true
	}
	return nc, err
}

func (l *line) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.down = true
	for nc := range l.open {
		nc.Close()
	}
}

func newCrowd(t *testing.T, brokers []*running, opts ...kgo.Opt) *crowd {
	c := &crowd{t: t, opts: opts, seen: map[string]int{}, owned: map[int]map[string]bool{}}
	for _, b := range brokers {
		c.seed = append(c.seed, b.kafka)
	}
	return c
}

func names(in map[string][]int32) (out []string) {
	for topic, list := range in {
		for _, n := range list {
			out = append(out, fmt.Sprint(topic, "/", n))
		}
	}
	return out
}

// member consumes until stop is called: with leave, it leaves the group, else it is just gone.
func (c *crowd) member(n int, more ...kgo.Opt) (stop func(leave bool)) {
	c.t.Helper()
	c.mu.Lock()
	c.owned[n] = map[string]bool{}
	c.mu.Unlock()
	last := map[int32]int64{} // since the partition was assigned: the offset read last
	change := func(has bool) func(context.Context, *kgo.Client, map[string][]int32) {
		return func(_ context.Context, _ *kgo.Client, parts map[string][]int32) {
			c.mu.Lock()
			defer c.mu.Unlock()
			for _, p := range names(parts) {
				if has {
					c.owned[n][p] = true
				} else {
					delete(c.owned[n], p)
				}
			}
			for _, list := range parts {
				for _, p := range list {
					delete(last, p)
				}
			}
		}
	}
	line := &line{open: map[net.Conn]bool{}}
	opts := slices.Concat([]kgo.Opt{
		kgo.Dialer(line.dial),
		kgo.SeedBrokers(c.seed...), kgo.OnPartitionsAssigned(change(true)), kgo.OnPartitionsRevoked(change(false)), kgo.OnPartitionsLost(change(false)),
		kgo.SessionTimeout(6 * time.Second), kgo.HeartbeatInterval(500 * time.Millisecond), kgo.FetchMaxWait(250 * time.Millisecond),
		kgo.MetadataMinAge(100 * time.Millisecond), kgo.RetryBackoffFn(func(int) time.Duration { return 50 * time.Millisecond }),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.AutoCommitInterval(200 * time.Millisecond),
	}, c.opts, more)
	cl := client(c.t, opts...)
	ctx, cancel := context.WithCancel(c.t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			fetches := cl.PollFetches(ctx)
			c.mu.Lock()
			fetches.EachRecord(func(r *kgo.Record) {
				c.seen[string(r.Value)]++
				if before, ok := last[r.Partition]; ok && r.Offset != before+1 {
					c.t.Errorf("member %d: partition %d goes from %d to %d", n, r.Partition, before, r.Offset)
				}
				last[r.Partition] = r.Offset
			})
			c.mu.Unlock()
		}
	}()
	var once sync.Once
	stop = func(leave bool) {
		once.Do(func() {
			cancel()
			<-done
			if !leave {
				line.cut()
			}
			cl.CloseAllowingRebalance()
			c.mu.Lock()
			delete(c.owned, n)
			c.mu.Unlock()
		})
	}
	c.t.Cleanup(func() { stop(true) })
	return stop
}

// settled waits until the members have all partitions, none twice, and each as many as is fair.
func (c *crowd) settled(partitions int, fair bool) {
	c.t.Helper()
	deadline := time.Now().Add(40 * time.Second)
	for {
		c.mu.Lock()
		total, most, least := 0, 0, partitions
		all := map[string]bool{}
		for _, has := range c.owned {
			total += len(has)
			most, least = max(most, len(has)), min(least, len(has))
			for p := range has {
				all[p] = true
			}
		}
		c.mu.Unlock()
		if total == partitions && len(all) == partitions && (!fair || most-least <= 1) {
			return
		}
		if time.Now().After(deadline) {
			c.t.Fatalf("%d partitions are given %d times (%d different), %d to %d a member", partitions, total, len(all), least, most)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func (c *crowd) read(n int) {
	c.t.Helper()
	deadline := time.Now().Add(40 * time.Second)
	for {
		c.mu.Lock()
		got := len(c.seen)
		c.mu.Unlock()
		if got == n {
			return
		}
		if time.Now().After(deadline) {
			c.t.Fatalf("%d of %d records were read", got, n)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func fillTopic(t *testing.T, b *running, topic string, partitions int32, from, to int) {
	t.Helper()
	p := client(t, kgo.SeedBrokers(b.kafka), kgo.DefaultProduceTopic(topic), kgo.RecordPartitioner(kgo.RoundRobinPartitioner()))
	if from == 0 {
		if _, err := kadm.NewClient(p).CreateTopic(t.Context(), partitions, 1, nil, topic); err != nil {
			t.Fatal(err)
		}
	}
	for i := from; i < to; i++ {
		p.Produce(t.Context(), kgo.StringRecord(fmt.Sprint(i)), func(_ *kgo.Record, err error) {
			if err != nil {
				t.Errorf("produce: %v", err)
			}
		})
	}
	if err := p.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// flavours are the ways in which franz-go is a member.
func flavours() map[string][]kgo.Opt {
	return map[string][]kgo.Opt{
		"cooperative": {kgo.Balancers(kgo.CooperativeStickyBalancer())},
		"range":       {kgo.Balancers(kgo.RangeBalancer())},
		"roundrobin":  {kgo.Balancers(kgo.RoundRobinBalancer())},
		"uniform":     {kgo.Balancers(kgo.StickyBalancer()), kgo.ServerSideBalancer()},
		"serverrange": {kgo.Balancers(kgo.RangeBalancer()), kgo.ServerSideBalancer()},
	}
}

func TestGroups_MembersComeAndGoAndMissNothing(t *testing.T) {
	for name, opts := range flavours() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store, kv := memory.New(), newKV()
			brokers := []*running{start(t, store, kv), start(t, store, kv)}
			fillTopic(t, brokers[0], "t", 12, 0, 500)
			c := newCrowd(t, brokers, slices.Concat(opts, []kgo.Opt{kgo.ConsumerGroup("g/" + name), kgo.ConsumeTopics("t")})...)
			one := c.member(1)
			c.settled(12, true)
			c.read(500)
			c.member(2)
			three := c.member(3)
			c.settled(12, name != "range")
			fillTopic(t, brokers[1], "t", 12, 500, 800)
			c.read(800)
			one(true)
			c.settled(12, name != "range")
			three(false) // gone without a word: its session must run out
			fillTopic(t, brokers[1], "t", 12, 800, 1000)
			c.settled(12, true)
			c.read(1000)
		})
	}
}

func TestAnomaly16_GroupsGoOnWhenTheirCoordinatorStopsAndSkipNothing(t *testing.T) {
	for name, opts := range flavours() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store, kv := memory.New(), newKV()
			brokers := []*running{start(t, store, kv), start(t, store, kv), start(t, store, kv)}
			fillTopic(t, brokers[0], "t", 12, 0, 200)
			c := newCrowd(t, brokers, slices.Concat(opts, []kgo.Opt{kgo.ConsumerGroup("g"), kgo.ConsumeTopics("t")})...)
			for n := range 3 {
				c.member(n)
			}
			c.settled(12, true)
			c.read(200)
			admin := kadm.NewClient(client(t, kgo.SeedBrokers(brokers[1].kafka, brokers[2].kafka)))
			at := admin.FindGroupCoordinators(t.Context(), "g")["g"]
			if at.Err != nil {
				t.Fatal(at.Err)
			}
			i := slices.IndexFunc(brokers, func(b *running) bool { return b.kafka == fmt.Sprintf("%s:%d", at.Host, at.Port) })
			brokers[i].stop()
			fillTopic(t, brokers[(i+1)%3], "t", 12, 200, 400)
			c.read(400)
			c.settled(12, true)
			twice := 0
			for _, n := range c.seen {
				if n > 1 {
					twice++
				}
			}
			t.Logf("%d of 400 records were read more than once", twice)
		})
	}
}

func TestGroups_FiftyMembersOfThreeHundredPartitions(t *testing.T) {
	for name, opts := range flavours() {
		if name != "cooperative" && name != "uniform" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			store, kv := memory.New(), newKV()
			brokers := []*running{start(t, store, kv), start(t, store, kv)}
			fillTopic(t, brokers[0], "t", 300, 0, 900)
			c := newCrowd(t, brokers, slices.Concat(opts, []kgo.Opt{kgo.ConsumerGroup("g"), kgo.ConsumeTopics("t")})...)
			var stops []func(bool)
			for n := range 50 {
				stops = append(stops, c.member(n))
			}
			c.settled(300, true)
			c.read(900)
			for _, stop := range stops[:5] {
				stop(true)
			}
			c.settled(300, true)
		})
	}
}

func TestGroups_MoveToTheNewProtocolAndBackWhileTheyConsume(t *testing.T) {
	store, kv := memory.New(), newKV()
	brokers := []*running{start(t, store, kv), start(t, store, kv)}
	fillTopic(t, brokers[0], "t", 6, 0, 100)
	c := newCrowd(t, brokers, kgo.ConsumerGroup("g"), kgo.ConsumeTopics("t"))
	classic := []kgo.Opt{kgo.Balancers(kgo.CooperativeStickyBalancer())}
	next := []kgo.Opt{kgo.Balancers(kgo.StickyBalancer()), kgo.ServerSideBalancer()}
	kinds := func() map[string]string {
		out := map[string]string{}
		listed, err := kadm.NewClient(client(t, kgo.SeedBrokers(c.seed...))).ListGroups(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, g := range listed.Groups() {
			out[g] = listed[g].State
		}
		return out
	}
	one := c.member(1, classic...)
	two := c.member(2, classic...)
	c.settled(6, true)
	three := c.member(3, next...)
	c.settled(6, true)
	one(true)
	four := c.member(4, next...)
	c.settled(6, true)
	two(true)
	c.settled(6, true)
	c.read(100)
	t.Log(maps.Collect(maps.All(kinds())))
	five := c.member(5, classic...)
	c.settled(6, true)
	three(true)
	four(true) // the last of the new protocol: the group is classic again
	fillTopic(t, brokers[1], "t", 6, 100, 200)
	c.settled(6, true)
	c.read(200)
	five(true)
}
