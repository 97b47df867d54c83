package scale

import (
	"fmt"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/record"
)

// Cluster is a load on many instances, all alike.
type Cluster struct {
	Instances      int
	Partitions     int // of all topics
	BytesPerSecond int64
	BatchBytes     int64 // of one idempotent producer, as sent
	Linger         time.Duration
	SegmentBytes   int64
	CheckpointAge  time.Duration
	// Steered: clients send each partition to its preferred instance, as Metadata tells them. Else all instances see all partitions.
	Steered bool
}

// CommitsPerSecond is how many segments, and so commits, all instances make.
func (c *Cluster) CommitsPerSecond() float64 {
	each := float64(c.BytesPerSecond) / float64(c.Instances)
	return float64(c.Instances) * max(each/float64(c.SegmentBytes), 1/c.Linger.Seconds())
}

// batches are those of one commit.
func (c *Cluster) batches() int {
	return max(1, int(float64(c.BytesPerSecond)/c.CommitsPerSecond())/int(c.BatchBytes))
}

// partitionsPerInstance are those that one instance is sent.
func (c *Cluster) partitionsPerInstance() int {
	if c.Steered {
		return max(1, c.Partitions/c.Instances)
	}
	return c.Partitions
}

// HeadsPerSecond is how many heads checkpoints write: each partition is named all the time.
func (c *Cluster) HeadsPerSecond() float64 { return float64(c.Partitions) / c.CheckpointAge.Seconds() }

// topicOf spreads partitions over topics of a hundred each.
func topicOf(n int) (id record.TopicID, partition int32) {
	id[0], id[1], id[2] = 1, byte(n/100>>8), byte(n/100)
	return id, int32(n % 100)
}

// writer makes the commits of all instances, one after the other. Each partition has a producer of its own.
type writer struct {
	Cluster
	turn int
	next []int32 // sequence of each partition
}

// Commit is that of the instance whose turn it is.
func (w *writer) Commit() (ulid.ULID, *ledger.Commit) {
	instance := w.turn % w.Instances
	each := w.partitionsPerInstance()
	first := instance * (w.Partitions / w.Instances) % w.Partitions
	at := w.turn / w.Instances * w.batches() // where this instance has come to
	w.turn++
	id := ulid.ULID{14: byte(w.turn >> 8), 15: byte(w.turn)}
	_ = id.SetTime(uint64(1_700_000_000_000 + int64(w.turn))) // far below the largest
	c := &ledger.Commit{Segments: []ledger.SegmentRef{{ID: id, Size: int64(w.batches()) * w.BatchBytes}}}
	batches := map[int]int{}
	var order []int
	for i := range w.batches() {
		n := (first + (at+i)%each) % w.Partitions
		if batches[n]++; batches[n] == 1 {
			order = append(order, n)
		}
	}
	position := int64(0)
	for _, n := range order {
		topic, partition := topicOf(n)
		run := ledger.Run{Partition: record.TopicPartition{Topic: topic, Partition: partition}, Position: position}
		for range batches[n] {
			records := max(1, w.BatchBytes>>10)
			run.Entries = append(run.Entries, ledger.Entry{Records: records, Bytes: w.BatchBytes, MaxTimestamp: 1_700_000_000_000 + int64(w.turn),
				Producer: record.ProducerID(n), Sequence: w.next[n]})
			w.next[n] += int32(records)
			position += w.BatchBytes
		}
		c.Runs = append(c.Runs, run)
	}
	return id, c
}

func (c Cluster) String() string {
	how := "each instance sees all partitions"
	if c.Steered {
		how = "steered"
	}
	return fmt.Sprintf("%d instances, %d partitions, %d MiB/s, batches of %d KiB, %s", c.Instances, c.Partitions, c.BytesPerSecond>>20, c.BatchBytes>>10, how)
}

func (w *writer) tp(topic record.TopicID, partition int32) record.TopicPartition {
	return record.TopicPartition{Topic: topic, Partition: partition}
}
