//go:build stack

package stack_test

import (
	"encoding/binary"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/tests/stack/harness"
)

// rounds is how often a fault is repeated.
func rounds(usual int) int {
	if os.Getenv("FIRNLOG_LONG") == "1" {
		return 5 * usual
	}
	return usual
}

const workers = 4

func TestKill_OfTheOnlyBrokerLosesNothingAcknowledged(t *testing.T) {
	b := harness.StartDev(t, t.TempDir())
	tr := startTraffic(t, []string{b.Kafka}, "kill", workers)
	for range rounds(10) {
		tr.more(1500)
		b.Kill()
		took := b.Up()
		t.Logf("ready %v after its start, clients go on after %v more", took.Round(time.Millisecond), tr.more(1).Round(time.Millisecond))
	}
	tr.more(3000)
	tr.check()
}

func TestKill_OfOneOfThreeBrokersLosesNothingAcknowledged(t *testing.T) {
	c := harness.StartCluster(t, harness.Options{Brokers: 3})
	tr := startTraffic(t, c.Seeds(), "kill", workers)
	for i := range rounds(4) {
		tr.more(3000)
		b := c.Brokers[i%3]
		b.Kill()
		took := tr.more(3000) // the others serve
		b.Up()
		t.Logf("without %s 3000 records took %v", b.Name, took.Round(time.Millisecond))
	}
	tr.more(3000)
	tr.check()
}

func TestStop_FlushesAndLeavesInTime(t *testing.T) {
	c := harness.StartCluster(t, harness.Options{Brokers: 2})
	tr := startTraffic(t, c.Seeds(), "stop", workers)
	for i := range rounds(2) {
		tr.more(2000)
		b := c.Brokers[i%2]
		t.Logf("%s ended %v after SIGTERM under load", b.Name, b.Stop(10*time.Second).Round(time.Millisecond))
		tr.more(2000)
		b.Up()
	}
	tr.check()
}

// A broker that was paused for longer than its lease finds that others took it for dead. What it was about to
// commit is either still valid or refused; nothing is lost or written twice.
func TestPause_LongerThanTheLeaseLosesNothing(t *testing.T) {
	c := harness.StartCluster(t, harness.Options{Brokers: 3})
	tr := startTraffic(t, c.Seeds(), "pause", workers)
	for i := range rounds(1) {
		tr.more(3000)
		b := c.Brokers[i%3]
		b.Pause()
		took := awaitInstances(t, c, 2)
		tr.more(3000)
		b.Continue()
		back := awaitInstances(t, c, 3)
		t.Logf("%s was gone for the others after %v, and back %v after it went on", b.Name, took.Round(time.Millisecond), back.Round(time.Millisecond))
		tr.more(3000)
	}
	tr.check()
}

// A broker that was paused until the floor has passed the ids of what it was about to commit is refused, and
// writes it under new ids, or tells producers that it does not know.
func TestPause_LongerThanTheFloorsLagLosesNothing(t *testing.T) {
	if os.Getenv("FIRNLOG_LONG") != "1" {
		t.Skip("waits for the floor: more than a minute; set FIRNLOG_LONG=1")
	}
	c := harness.StartCluster(t, harness.Options{Brokers: 3})
	tr := startTraffic(t, c.Seeds(), "pause", workers)
	keys := coordination.NewKeys("default")
	for i := range c.Brokers {
		tr.more(3000)
		c.Brokers[i].Pause()
		stamp := mark(t, c, keys.Stamp())
		took := harness.Await(t, 5*time.Minute, "the floor has passed", func() error {
			if floor := mark(t, c, keys.Floor()); floor <= stamp {
				return fmt.Errorf("it is %d ms behind", stamp-floor)
			}
			return nil
		})
		c.Brokers[i].Continue()
		t.Logf("%s paused for %v", c.Brokers[i].Name, took.Round(time.Second))
		tr.more(3000)
	}
	tr.check()
}

// mark reads one of the two marks of the log.
func mark(t *testing.T, c *harness.Cluster, key string) int64 {
	t.Helper()
	kv := c.Etcd.KV()
	defer kv.Close()
	snap, err := kv.Get(within(t, 10*time.Second), key)
	if err != nil || len(snap.Items[0].Value) != 8 {
		t.Fatalf("mark %s: %v, %v", key, snap, err)
	}
	return int64(binary.BigEndian.Uint64(snap.Items[0].Value))
}

// awaitInstances waits until so many instances are registered.
func awaitInstances(t *testing.T, c *harness.Cluster, n int) time.Duration {
	t.Helper()
	prefix := coordination.NewKeys("default").Instances()
	return harness.Await(t, time.Minute, fmt.Sprint(n, " instances registered"), func() error {
		got, err := c.Etcd.Count(t.Context(), prefix)
		if err == nil && got != n {
			err = fmt.Errorf("%d are", got)
		}
		return err
	})
}
