package month_test

import (
	"bytes"
	"fmt"
	"time"

	"github.com/firnlog/firnlog/core/record"
)

// found sums up what readers found by class.
type found struct {
	partitions, records int
	bytes               int64
	overdue             time.Duration // how far the oldest record is beyond retention.ms
	oversize            int64         // how far the largest partition is beyond retention.bytes
	stale               time.Duration // how long the oldest record is superseded that log compaction has left
}

// patience is what maintenance may be behind. What expires is a span as a whole, and of a partition with a trickle of records
// a span holds hours or days.
type patience struct {
	age, compact time.Duration
	size         int64
}

// check reads every partition twice, as consumers of both isolations, and compares it with what its policy promises: what
// should be there, with its content at its offset, and nothing that should not.
func (w *world) check(late patience) map[string]*found {
	w.t.Helper()
	out := map[string]*found{}
	for _, s := range w.topics {
		f := out[s.class.name]
		if f == nil {
			f = &found{}
			out[s.class.name] = f
		}
		for _, p := range s.parts {
			m := w.any()
			c := checker{w: w, p: p, f: f, now: time.Now(), late: late}
			c.all, c.stable = w.read(m, p, false), w.read(m, p, true)
			p.pad(c.all.end)
			c.check()
			f.partitions++
			f.records += len(c.all.records)
			f.bytes += c.all.bytes
		}
	}
	return out
}

// checker looks at one partition.
type checker struct {
	w           *world
	p           *partition
	f           *found
	now         time.Time
	late        patience
	all, stable view
}

func (c *checker) bad(format string, args ...any) {
	c.w.t.Helper()
	c.w.t.Errorf("%s/%d after %v: %s", c.p.topic.name, c.p.Partition, time.Since(c.w.Start), fmt.Sprintf(format, args...))
}

func (c *checker) check() {
	if int(c.all.end) != len(c.p.log) {
		c.bad("the end is %d, acknowledged was up to %d", c.all.end, len(c.p.log))
		return
	}
	c.asSent(c.all, false)
	c.asSent(c.stable, true)
	c.starts()
	if c.p.topic.compact {
		c.compacted(c.all, false)
		c.compacted(c.stable, true)
		return
	}
	c.whole(c.all, func(e *entry) bool { return e.isData() })
	c.whole(c.stable, (*entry).isCommitted)
}

// asSent: every record is the one that was acknowledged at its offset, and who reads committed sees nothing else.
func (c *checker) asSent(v view, committed bool) {
	last := v.start - 1
	for i := range v.records {
		r := &v.records[i]
		if r.offset <= last || r.offset >= v.end {
			c.bad("offset %d after %d, of %d to %d", r.offset, last, v.start, v.end)
			return
		}
		last = r.offset
		e := &c.p.log[r.offset]
		key, value := c.p.topic.content(e.n)
		if !e.isData() || !bytes.Equal(key, r.key) || !bytes.Equal(value, r.value) || e.ms != r.ms {
			c.bad("offset %d: read %s=%.30s at %d, sent was record %d at %d", r.offset, r.key, r.value, r.ms, e.n, e.ms)
			return
		}
		if committed && !e.isCommitted() {
			c.bad("offset %d: read committed, though its transaction is not", r.offset)
		}
	}
}

// starts: the log begins where it may: not before what was deleted, not behind what must stay, and what expired is gone.
func (c *checker) starts() {
	s, start := c.p.topic, c.all.start
	if start < c.p.deleted {
		c.bad("the log starts at %d, records before %d were deleted", start, c.p.deleted)
	}
	if s.age == 0 && s.size == 0 && start != c.p.deleted {
		c.bad("the log starts at %d, but nothing before it was deleted but what is below %d", start, c.p.deleted)
	}
	for at := c.p.deleted; at < start; at++ {
		if e := &c.p.log[at]; s.age > 0 && e.isData() && e.age(c.now) < s.age && !c.mayBeCompacted(at) {
			c.bad("the log starts at %d, but offset %d is %v old", start, at, e.age(c.now))
			break
		}
	}
	if len(c.all.records) > 0 && s.age > 0 {
		first := &c.p.log[c.all.records[0].offset]
		beyond := first.age(c.now) - s.age
		c.f.overdue = max(c.f.overdue, beyond)
		if beyond > c.late.age {
			c.bad("offset %d is there, %v old", c.all.records[0].offset, first.age(c.now))
		}
	}
	if size := c.all.bytes; s.size > 0 {
		c.f.oversize = max(c.f.oversize, size-s.size)
		if size-s.size > c.late.size {
			c.bad("%d bytes are there, %d may be", size, s.size)
		}
		if size < s.size && start > c.p.deleted {
			c.bad("%d bytes are there, %d may be, and the log starts at %d", size, s.size, start)
		}
	}
}

// mayBeCompacted says that log compaction may have taken a record: what it leaves can then expire before that record would have.
func (c *checker) mayBeCompacted(at record.Offset) bool {
	e := &c.p.log[at]
	key, value := c.p.topic.content(e.n)
	if !c.p.topic.compact || value == nil || e.isAborted() {
		return c.p.topic.compact
	}
	for i := at + 1; int(i) < len(c.p.log); i++ {
		if newer := &c.p.log[i]; newer.isCommitted() {
			if k, _ := c.p.topic.content(newer.n); bytes.Equal(k, key) {
				return true
			}
		}
	}
	return false
}

// whole: without log compaction nothing is missing between start and end.
func (c *checker) whole(v view, wanted func(*entry) bool) {
	i := 0
	for at := v.start; at < v.end; at++ {
		if !wanted(&c.p.log[at]) {
			continue
		}
		if i >= len(v.records) || v.records[i].offset != at {
			c.bad("offset %d is missing; the log is %d to %d", at, v.start, v.end)
			return
		}
		i++
	}
}

// compacted: the last record of each key is there, as Kafka promises, and what is long superseded is not.
func (c *checker) compacted(v view, committed bool) {
	there := map[record.Offset]bool{}
	for i := range v.records {
		there[v.records[i].offset] = true
	}
	last := map[string]*entry{} // going back: the record that supersedes
	var dirty *entry            // the last record for whose sake a walk must have been
	for at := v.end - 1; at >= v.start; at-- {
		e := &c.p.log[at]
		if !e.isData() {
			continue
		}
		if e.isAborted() {
			c.superseded(there[at], at, e, e)
			continue
		}
		if !e.isCommitted() {
			continue // still open
		}
		if dirty == nil && e.age(c.now) > lagMax+c.late.compact {
			dirty = e
		}
		key, value := c.p.topic.content(e.n)
		newer := last[string(key)]
		switch {
		case newer != nil:
			c.superseded(there[at], at, e, newer)
		case value == nil && e.age(c.now) > graveMax:
			// As in Kafka it goes with a later walk, and that comes with later records.
			if there[at] && dirty != nil && dirty.ms-e.ms > (lagMax+graveMax+c.late.compact).Milliseconds() {
				c.bad("offset %d: a tombstone, %v old, is there", at, e.age(c.now))
			}
		case !there[at]:
			c.bad("offset %d is missing: the last record of %s, %v old (committed %v)", at, key, e.age(c.now), committed)
		}
		if newer == nil {
			last[string(key)] = e
		}
	}
}

// superseded: a record that a newer one takes the place of is gone some time after that came.
func (c *checker) superseded(there bool, at record.Offset, e, newer *entry) {
	if age := newer.age(c.now); there {
		c.f.stale = max(c.f.stale, age)
		if age > lagMax+c.late.compact {
			c.bad("offset %d is there, %v old and superseded %v ago", at, e.age(c.now), age)
		}
	}
}
