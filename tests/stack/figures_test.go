//go:build stack

package stack_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/tests/stack/harness"
)

// Figures are printed beside their goals. A test fails only where one is missed by far: machines
// that run it may be slow and busy, and a goal that is missed by chance says nothing.

func seconds(d time.Duration) string { return fmt.Sprintf("%.2f s", d.Seconds()) }

func TestFigures_StartOfDev(t *testing.T) {
	const goal = 5 * time.Second
	dir := t.TempDir()
	b := harness.NewBroker(t, "dev", nil, "dev", "--data", dir)
	empty := b.Up()
	tr := startTraffic(t, []string{b.Kafka}, "figures", workers)
	tr.more(20_000)
	tr.check()
	stop := b.Stop(10 * time.Second)
	existing := b.Up()
	b.Kill()
	killed := b.Up()
	harness.Table(t, "firnlog dev, from exec to the ready line (goal: below 5 s)", [][2]string{
		{"on an empty folder", seconds(empty)},
		{"on an existing folder", seconds(existing)},
		{"after kill -9", seconds(killed)},
		{"SIGTERM to end", seconds(stop)},
	})
	if worst := max(empty, existing, killed); worst > goal {
		t.Errorf("ready after %v", worst)
	}
}

func TestFigures_RestartWithTenThousandPartitions(t *testing.T) {
	const topics, each = 10, 1000
	etcd := harness.NewEtcd(t)
	etcd.Up()
	b := harness.NewBroker(t, "broker", nil, "broker", "--store", "file://"+t.TempDir(), "--etcd", etcd.Endpoint, "--linger", "50ms")
	empty := b.Up()
	start := time.Now()
	p := newClient(t, []string{b.Kafka}, kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.MaxBufferedRecords(topics*each))
	for i := range topics {
		name := fmt.Sprint("wide-", i)
		createTopic(t, []string{b.Kafka}, each, nil, name)
		for part := range int32(each) {
			p.Produce(t.Context(), &kgo.Record{Topic: name, Partition: part, Value: []byte(name)}, func(_ *kgo.Record, err error) {
				if err != nil {
					t.Errorf("produce: %v", err)
				}
			})
		}
	}
	if err := p.Flush(within(t, time.Minute)); err != nil {
		t.Fatal(err)
	}
	wrote := time.Since(start)
	covered := harness.Await(t, 2*time.Minute, "all heads are checkpointed", func() error {
		n, err := etcd.Count(t.Context(), coordination.NewKeys("default").Heads())
		if err == nil && n != topics*each {
			err = fmt.Errorf("%d heads", n)
		}
		return err
	})
	stop := b.Stop(10 * time.Second)
	stopped := b.Up()
	b.Kill()
	killed := b.Up()
	for i := range topics {
		if got := len(readAll(t, []string{b.Kafka}, fmt.Sprint("wide-", i))); got != each {
			t.Errorf("topic %d: read %d records after two restarts", i, got)
		}
	}
	harness.Table(t, "10,000 partitions, broker on a running etcd, from exec to the ready line (goal: below 1 s)", [][2]string{
		{"start with nothing", seconds(empty)},
		{"restart after SIGTERM", seconds(stopped)},
		{"restart after kill -9", seconds(killed)},
		{"SIGTERM to end", seconds(stop)},
		{"creating them and a record each", seconds(wrote)},
		{"until all were checkpointed", seconds(covered)},
		{"memory of the broker", mebibytes(b.Resident())},
	})
	if worst := max(stopped, killed); worst > 3*time.Second {
		t.Errorf("ready after %v, the goal is 1 s", worst)
	}
}

// sample is what brokers had done at a time.
type sample struct {
	commits, requests float64
	cores             time.Duration
	records           int
}

func (a sample) minus(b sample) sample {
	return sample{a.commits - b.commits, a.requests - b.requests, a.cores - b.cores, a.records - b.records}
}

// Any number of brokers may write to one partition: their commits do not conflict, and cost each as
// much as before. On a busy machine few commits share the cost of what each broker does anyway, so a bad
// measurement is made again.
func TestFigures_ThreeBrokersOnOnePartitionCostNoMoreThanOne(t *testing.T) {
	const tries = 3
	perCore := func(s sample) float64 { return s.commits / s.cores.Seconds() }
	for try := 1; ; try++ {
		one, three := measureBrokers(t, 1), measureBrokers(t, 3)
		row := func(name string, of func(sample) string) [2]string {
			return [2]string{name, of(one) + "   " + of(three)}
		}
		harness.Table(t, "eight producers on one partition: one broker, three brokers", [][2]string{
			row("commits", func(s sample) string { return fmt.Sprintf("%8.0f", s.commits) }),
			row("records", func(s sample) string { return fmt.Sprintf("%8d", s.records) }),
			row("core-seconds of brokers", func(s sample) string { return fmt.Sprintf("%8.2f", s.cores.Seconds()) }),
			row("commits per core-second", func(s sample) string { return fmt.Sprintf("%8.0f", perCore(s)) }),
			row("transactions in etcd beside them", func(s sample) string { return fmt.Sprintf("%8.0f", s.requests-s.commits) }),
		})
		// Maintenance makes a few transactions a second as well; a conflict would be one for many commits.
		if extra := three.requests - three.commits; extra > 0.1*three.commits+60 {
			t.Errorf("%v transactions for %v commits: some were in vain", three.requests, three.commits)
		}
		if perCore(three) >= 0.7*perCore(one) {
			return
		}
		if try == tries {
			t.Fatalf("%d times three brokers made far fewer commits per core-second than one, at last %.0f, one %.0f; the goal is a tenth less at most", tries, perCore(three), perCore(one))
		}
	}
}

const zones = "abc"

// measureBrokers runs eight producers that wait for each answer on so many brokers. Each broker is in a zone of
// its own, and so are the producers: that way all brokers write to the one partition.
func measureBrokers(t *testing.T, n int) sample {
	t.Helper()
	etcd := harness.NewEtcd(t)
	etcd.Up()
	dir := t.TempDir()
	var brokers []*harness.Broker
	for i := range n {
		b := harness.NewBroker(t, fmt.Sprint("broker-", i), nil, "broker", "--store", "file://"+dir, "--etcd", etcd.Endpoint, "--linger", "5ms", "--zone", zones[i:i+1])
		b.Up()
		brokers = append(brokers, b)
	}
	seeds := []string{brokers[0].Kafka}
	createTopic(t, seeds, 1, nil, "one")
	ctx, stop := context.WithCancel(t.Context())
	var group sync.WaitGroup
	var mu sync.Mutex
	records := 0
	for w := range 8 {
		zone := zones[w%n : w%n+1]
		client := newClient(t, seeds, kgo.DefaultProduceTopic("one"), kgo.ClientID("zone="+zone), kgo.ProducerLinger(0))
		group.Go(func() {
			for ctx.Err() == nil {
				if err := client.ProduceSync(ctx, kgo.StringRecord("figure")).FirstErr(); err != nil && !errors.Is(err, context.Canceled) {
					t.Errorf("produce: %v", err)
					return
				}
				mu.Lock()
				records++
				mu.Unlock()
			}
		})
	}
	now := func() (s sample) {
		for _, b := range brokers {
			s.commits += b.Metric("firnlog_flushes_total")
			s.requests += b.Metric("firnlog_etcd_requests_total", `op="commit"`)
			s.cores += b.Cores()
		}
		mu.Lock()
		s.records = records
		mu.Unlock()
		return s
	}
	period := 5 * time.Second * time.Duration(rounds(1))
	harness.Await(t, time.Minute, "every broker commits", func() error {
		for _, b := range brokers {
			if b.Metric("firnlog_flushes_total") < 50 {
				return errors.New(b.Name + " does not")
			}
		}
		return nil
	})
	before := now()
	timer := time.NewTimer(period)
	<-timer.C
	after := now()
	stop()
	group.Wait()
	for _, b := range brokers {
		b.Stop(10 * time.Second)
	}
	return after.minus(before)
}
