package month_test

import (
	"fmt"
	"time"

	"github.com/firnlog/firnlog/core/record"
)

// class is a kind of topic: what is kept, and how long.
type class struct {
	name    string
	configs map[string]string

	age     time.Duration // retention.ms; 0: for ever
	size    int64         // retention.bytes; 0: any
	compact bool
	churns  bool // topics are deleted and created again
}

const (
	day = 24 * time.Hour
	// lagMax is max.compaction.lag.ms, graveMax delete.retention.ms of compacted topics.
	lagMax, graveMax = 12 * time.Hour, 6 * time.Hour
)

func ms(d time.Duration) string { return fmt.Sprint(d.Milliseconds()) }

// classes are all policies. What a topic of 'size' keeps is scaled with objects.
func classes(bytes int64) []*class {
	compacted := func(more map[string]string) map[string]string {
		all := map[string]string{"cleanup.policy": "compact", "max.compaction.lag.ms": ms(lagMax), "delete.retention.ms": ms(graveMax), "segment.ms": ms(time.Hour), "min.cleanable.dirty.ratio": "0.3"}
		for k, v := range more {
			all[k] = v
		}
		return all
	}
	return []*class{
		{name: "time", age: 2 * day, configs: map[string]string{"retention.ms": ms(2 * day)}},
		{name: "size", size: 4 * bytes, configs: map[string]string{"retention.ms": "-1", "retention.bytes": fmt.Sprint(4 * bytes)}},
		{name: "ever", configs: map[string]string{"retention.ms": "-1"}},
		{name: "compact", compact: true, configs: compacted(nil)},
		{name: "compact-delete", compact: true, age: 4 * day, configs: compacted(map[string]string{"cleanup.policy": "compact,delete", "retention.ms": ms(4 * day)})},
		{name: "cold", configs: map[string]string{"retention.ms": "-1", "firnlog.cold.after.ms": ms(5 * day)}},
		{name: "churn", age: 3 * day, churns: true, configs: map[string]string{"retention.ms": ms(3 * day)}},
		{name: "cold-time", age: 9 * day, configs: map[string]string{"retention.ms": ms(9 * day), "firnlog.cold.after.ms": ms(3 * day), "firnlog.settle.compression": "zstd"}},
	}
}

// topicState is a topic as its clients know it.
type topicState struct {
	*class
	name   string
	parts  []*partition
	weight int
}

// partition is the log of one as it was acknowledged.
type partition struct {
	record.TopicPartition
	topic   *topicState
	log     []entry // by offset
	deleted record.Offset
	next    map[record.ProducerID]int32
}

// entry is a record, or a marker (n is 0).
type entry struct {
	n   uint64
	ms  int64
	txn *transaction
}

// transaction is one, with what became of it.
type transaction struct{ committed, over bool }

func (e *entry) isData() bool      { return e.n > 0 }
func (e *entry) isCommitted() bool { return e.n > 0 && (e.txn == nil || e.txn.over && e.txn.committed) }
func (e *entry) isAborted() bool   { return e.n > 0 && e.txn != nil && e.txn.over && !e.txn.committed }
func (e *entry) age(now time.Time) time.Duration {
	return now.Sub(time.UnixMilli(e.ms))
}

// pad notes the markers that lie before an offset.
func (p *partition) pad(next record.Offset) {
	for record.Offset(len(p.log)) < next {
		p.log = append(p.log, entry{})
	}
}

// mix is a number with all bits of n in all places (SplitMix64's last steps).
func mix(n uint64) uint64 {
	n += 0x9e3779b97f4a7c15
	n = (n ^ n>>30) * 0xbf58476d1ce4e5b9
	n = (n ^ n>>27) * 0x94d049bb133111eb
	return n ^ n>>31
}

const keysMax = 40 // of a partition

// content is the key and value of the record number n: nil is a tombstone.
func (c *class) content(n uint64) (key, value []byte) {
	r := mix(n)
	key = fmt.Appendf(nil, "k%d", r%keysMax)
	if c.compact && r>>8%9 == 0 {
		return key, nil
	}
	size := 16 + int(r>>16%120)
	value = fmt.Appendf(make([]byte, 0, size+20), "%d:", n)
	for len(value) < size {
		r = mix(r)
		value = fmt.Appendf(value, "%x", r)
	}
	return key, value[:size]
}
