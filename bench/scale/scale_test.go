package scale

import (
	"flag"
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/ledger"
)

var scaleFlag = flag.Bool("scale", false, "measure the large clusters as well")

var keys = coordination.NewKeys("scale")

func clusters() []Cluster {
	base := Cluster{Linger: 250 * time.Millisecond, SegmentBytes: 8 << 20, CheckpointAge: 15 * time.Second, BatchBytes: 16 << 10, Steered: true}
	at := func(instances, partitions int, mib int64, change func(*Cluster)) Cluster {
		c := base
		c.Instances, c.Partitions, c.BytesPerSecond = instances, partitions, mib<<20
		if change != nil {
			change(&c)
		}
		return c
	}
	out := []Cluster{at(10, 1_000, 100, nil)}
	if *scaleFlag {
		out = append(out, at(100, 10_000, 1_000, nil), at(1_000, 100_000, 10_240, nil),
			at(1_000, 100_000, 10_240, func(c *Cluster) { c.Steered = false }),
			at(1_000, 100_000, 10_240, func(c *Cluster) { c.BatchBytes = 2 << 10 }),
			at(100, 100_000, 10_240, nil), at(1_000, 100_000, 10_240, func(c *Cluster) { c.Linger = time.Second }))
	}
	return out
}

// follower is the ledger of one instance, which folds the commits of all.
type follower struct {
	*ledger.Ledger
	rev coordination.Revision
}

func newFollower(t *testing.T, partitions int) *follower {
	t.Helper()
	_, changes := ledger.Creation(keys, ledger.Format{Version: ledger.FormatVersion, Era: "era"}, 10)
	for n := 0; n < partitions; n += 100 {
		id, _ := topicOf(n)
		topic := &ledger.Topic{Name: fmt.Sprint("t", n), ID: id, Partitions: 100, ReplicationFactor: 1}
		changes = append(changes, coordination.PutKey(keys.Topic(topic.Name), topic.Encode()))
	}
	var items []coordination.Item
	for _, c := range changes {
		items = append(items, coordination.Item{Key: c.Key, Value: c.Value, Create: 1, Mod: 1})
	}
	loader := ledger.NewLoader(keys)
	if err := loader.Add(items); err != nil {
		t.Fatal(err)
	}
	l, err := loader.Done(1, ledger.Observer{})
	if err != nil {
		t.Fatal(err)
	}
	return &follower{l, 1}
}

// measured is what one instance does for the whole cluster.
type measured struct {
	commitBytes, headBytes float64
	fold                   time.Duration // of a commit
	refused                int
	memory                 uint64
}

func measure(t *testing.T, c Cluster) (m measured) {
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	l := newFollower(t, c.Partitions)
	w := &writer{Cluster: c, next: make([]int32, c.Partitions)}
	// As many as there are between two checkpoints: so much every ledger holds.
	n := int(c.CommitsPerSecond() * c.CheckpointAge.Seconds())
	spent := time.Duration(0)
	obs := ledger.Observer{}
	for range n {
		id, commit := w.Commit()
		value := commit.Encode()
		m.commitBytes += float64(len(value)) / float64(n)
		l.rev++
		event := coordination.Event{Key: keys.Commit(id), Value: value, Create: l.rev, Revision: l.rev}
		begun := time.Now()
		if err := l.Apply(l.rev, []coordination.Event{event}, obs); err != nil {
			t.Fatal(err)
		}
		spent += time.Since(begun)
	}
	m.fold = spent / time.Duration(n)
	runtime.GC()
	runtime.ReadMemStats(&after)
	m.memory = after.HeapAlloc - min(before.HeapAlloc, after.HeapAlloc)
	heads := 0
	for i := 0; i < c.Partitions; i += max(1, c.Partitions/1000) {
		topic, partition := topicOf(i)
		p := l.Partition(w.tp(topic, partition))
		m.headBytes += float64(len(p.Head(l.rev).Encode()))
		if p.Next() == 0 {
			m.refused++
		}
		heads++
	}
	m.headBytes /= float64(heads)
	runtime.KeepAlive(l)
	return m
}

// One instance folds what all of them commit: what that costs, and what etcd sends and stores for it.
func TestScale_OneInstanceFollowsAll(t *testing.T) {
	for _, c := range clusters() {
		m := measure(t, c)
		if m.refused > 0 {
			t.Errorf("%v: %d partitions have nothing: the load is not what it should be", c, m.refused)
		}
		commits := c.CommitsPerSecond()
		watched := commits*m.commitBytes + c.HeadsPerSecond()*m.headBytes + commits*100 // a commit is emptied and deleted as well
		t.Logf("%v\n  commits/s %.0f of %.1f KiB (%.0f us to fold: %.2f of a core)\n  heads/s %.0f of %.0f bytes, %.0f etcd transactions/s in all\n"+
			"  each instance watches %.1f MiB/s; etcd sends %.0f MiB/s to all\n  ledger %d MiB; heads in etcd %.0f MiB, commits of a lag %.0f MiB",
			c, commits, m.commitBytes/1024, float64(m.fold.Nanoseconds())/1000, commits*m.fold.Seconds(),
			c.HeadsPerSecond(), m.headBytes, commits*2+c.HeadsPerSecond()/60,
			watched/(1<<20), watched*float64(c.Instances)/(1<<20),
			m.memory>>20, m.headBytes*float64(c.Partitions)/(1<<20), commits*60*m.commitBytes/(1<<20))
	}
}
