//go:build stack

package stack_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kversion"

	"github.com/firnlog/firnlog/tests/stack/harness"
)

// answerMax is how long a broker may take to say that it cannot do something now: the client's
// own time-out (produceRaw gives 10 s), and some.
const answerMax = 15 * time.Second

// wantRetriable produces to all brokers while they cannot work, and wants answers after which
// clients try again.
func wantRetriable(t *testing.T, c *harness.Cluster, topic string) {
	t.Helper()
	var group sync.WaitGroup
	for _, b := range c.Brokers {
		group.Go(func() {
			client := newClient(t, []string{b.Kafka}, kgo.MaxVersions(kversion.V3_9_0()))
			start := time.Now()
			producer := start.UnixNano() // another one each time: no duplicate of an earlier try
			code := produceRaw(within(t, 2*answerMax), t, client, topic, batchOf(t, producer, 0, 0))
			err, took := kerr.ErrorForCode(code), time.Since(start)
			if !kerr.IsRetriable(err) {
				t.Errorf("%s answered %v, want an error after which clients try again", b.Name, err)
			}
			if took > answerMax {
				t.Errorf("%s took %v to answer", b.Name, took)
			}
			t.Logf("%s answers after %v: %v", b.Name, took.Round(time.Millisecond), err)
		})
	}
	group.Wait()
}

// besides is the topic of wantRetriable; what it may have written is not looked at.
const besides = "besides"

func TestOutage_OfMinIOHealsByItself(t *testing.T) {
	c := harness.StartCluster(t, harness.Options{Brokers: 2})
	createTopic(t, c.Seeds(), 1, nil, besides)
	tr := startTraffic(t, c.Seeds(), "outage", workers)
	for range rounds(1) {
		tr.more(2000)
		c.MinIO.Kill()
		wantRetriable(t, c, besides)
		c.MinIO.Restart(t)
		t.Logf("clients go on %v after MinIO is back", tr.more(1).Round(time.Millisecond))
	}
	tr.more(2000)
	tr.check()
}

func TestOutage_OfEtcdHealsByItself(t *testing.T) {
	c := harness.StartCluster(t, harness.Options{Brokers: 2})
	createTopic(t, c.Seeds(), 1, nil, besides)
	tr := startTraffic(t, c.Seeds(), "outage", workers)
	for range rounds(1) {
		tr.more(2000)
		c.Etcd.Kill()
		wantRetriable(t, c, besides)
		for _, b := range c.Brokers {
			if err := b.Serves(); err == nil {
				t.Errorf("%s says that it is ready without etcd", b.Name)
			}
		}
		c.Etcd.Up()
		t.Logf("clients go on %v after etcd is back, brokers are ready %v later", tr.more(1).Round(time.Millisecond), c.AwaitServing(t, time.Minute).Round(time.Millisecond))
	}
	tr.more(2000)
	tr.check()
}

func TestOutage_OfEverythingHealsInAnyOrder(t *testing.T) {
	c := harness.StartCluster(t, harness.Options{Brokers: 2})
	tr := startTraffic(t, c.Seeds(), "outage", workers)
	parts := map[string]struct{ start, ready func() }{
		"brokers": {func() {
			for _, b := range c.Brokers {
				b.Start()
			}
		}, func() {
			for _, b := range c.Brokers {
				b.AwaitReady()
			}
		}},
		"etcd":  {c.Etcd.Up, func() {}},
		"MinIO": {func() { c.MinIO.Restart(t) }, func() {}},
	}
	for _, order := range [][]string{{"brokers", "etcd", "MinIO"}, {"brokers", "MinIO", "etcd"}, {"MinIO", "brokers", "etcd"}} {
		tr.more(2000)
		c.MinIO.Kill()
		c.Etcd.Kill()
		for _, b := range c.Brokers {
			b.Kill()
		}
		for _, part := range order {
			parts[part].start()
		}
		for _, part := range order {
			parts[part].ready()
		}
		t.Logf("started %v: clients go on after %v", order, tr.more(1).Round(time.Millisecond))
	}
	tr.more(2000)
	tr.check()
}

// Brokers that are started before etcd and MinIO exist become ready by themselves.
func TestStart_BeforeEtcdAndMinIOExist(t *testing.T) {
	c := harness.NewCluster(t, harness.Options{Brokers: 2})
	c.MinIO.Kill()
	for _, b := range c.Brokers {
		b.Start()
		b.Said("object store cannot be reached, trying again")
	}
	c.MinIO.Restart(t)
	for _, b := range c.Brokers {
		awaitUnready(t, b)
	}
	c.Etcd.Up()
	for _, b := range c.Brokers {
		b.AwaitReady()
	}
	tr := startTraffic(t, c.Seeds(), "late", 1)
	tr.more(100)
	tr.check()
}

func TestStart_CanBeGivenUpBeforeEtcdAndMinIOExist(t *testing.T) {
	c := harness.NewCluster(t, harness.Options{Brokers: 2})
	c.Brokers[1].Start()
	awaitUnready(t, c.Brokers[1]) // waits for etcd
	c.MinIO.Kill()
	c.Brokers[0].Start()
	c.Brokers[0].Said("object store cannot be reached, trying again")
	for _, b := range c.Brokers {
		b.Stop(10 * time.Second)
	}
}

// awaitUnready waits until a broker says that it runs and is not ready.
func awaitUnready(t *testing.T, b *harness.Broker) {
	t.Helper()
	harness.Await(t, 20*time.Second, b.Name+" says that it is not ready", func() error {
		if b.Ended() {
			t.Fatalf("%s has given up: %s", b.Name, b.Output())
		}
		if err := b.Healthy(); err != nil {
			return fmt.Errorf("health: %w", err)
		}
		if b.Serves() == nil {
			return errors.New("it says that it is ready")
		}
		return nil
	})
}
