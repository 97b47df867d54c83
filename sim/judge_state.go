package sim

import (
	"maps"
	"strings"

	"github.com/oklog/ulid/v2"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/record"
)

// idOf gives the id of an object, wherever it lies: it ends the key.
func idOf(key string) (ulid.ULID, error) {
	return ulid.ParseStrict(key[strings.LastIndexByte(key, '/')+1:])
}

// Stored is told of every object that lands.
func (j *Judge) Stored(key string, body []byte) {
	id, err := idOf(key)
	j.mu.Lock()
	defer j.mu.Unlock()
	if err != nil {
		j.bad("bytes", key, "%v", err)
		return
	}
	j.objects[id] = body
	if err := j.list(key, id, body); err != nil {
		j.bad("bytes", key, "%v", err)
	}
}

// Removed is told of every object that is deleted: nothing readable may refer to it.
func (j *Judge) Removed(key string) {
	id, err := idOf(key)
	j.mu.Lock()
	defer j.mu.Unlock()
	if err != nil || j.objects[id] == nil {
		return
	}
	delete(j.objects, id)
	j.counts.Deleted++
	if tp, ok := j.referrer(id); ok {
		j.bad("referenced object deleted", id.String(), "%v refers to it; floor %d, its time %d", tp, j.floor, id.Time())
	}
}

// referrer finds a living partition with readable records in the object.
func (j *Judge) referrer(id ulid.ULID) (tp record.TopicPartition, ok bool) {
	if j.shipped == nil {
		return tp, false
	}
	j.shipped.EachPartition(func(name record.TopicPartition, p *ledger.Partition) {
		if _, found := p.FirstSpan(p.LogStart(), func(s *ledger.Span) bool { return s.Segment == id }); (found || j.lists(p, id)) && j.has(name) {
			tp, ok = name, true
		}
	})
	return tp, ok
}

// Orphans counts objects that no living partition refers to.
func (j *Judge) Orphans() (n int, example string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	used := map[ulid.ULID]bool{}
	j.shipped.EachPartition(func(name record.TopicPartition, p *ledger.Partition) {
		p.FirstSpan(p.LogStart(), func(s *ledger.Span) bool {
			used[s.Segment] = true
			return false
		})
		if m := p.Manifest(); m != nil {
			maps.Copy(used, j.listed[m.ID])
			used[m.ID] = true
		}
	})
	for id := range j.objects {
		if !used[id] {
			n++
			example = max(example, id.String())
		}
	}
	return n, example
}

// CommitKeys counts the commit keys that are there.
func (j *Judge) CommitKeys() (n int, example string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for key := range j.commits {
		example = max(example, key)
	}
	return len(j.commits), example
}

func (j *Judge) digestsOf(l *ledger.Ledger) map[record.TopicPartition]uint64 {
	out := map[record.TopicPartition]uint64{}
	for _, t := range l.Topics() {
		for i := range t.Partitions {
			tp := record.TopicPartition{Topic: t.ID, Partition: i}
			out[tp] = l.Partition(tp).Digest()
		}
	}
	return out
}

// Compare holds a ledger of an instance against the judge's at the same revision, if that was kept.
func (j *Judge) Compare(who string, l *ledger.Ledger) {
	if l.Revision()%j.every != 0 {
		return
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	want, ok := j.digests[l.Revision()]
	if !ok {
		return
	}
	j.counts.Compared++
	got := j.digestsOf(l)
	if len(got) != len(want) {
		j.bad("replicas differ", "", "%s at revision %d has %d partitions, should have %d", who, l.Revision(), len(got), len(want))
		return
	}
	for tp, d := range want {
		if got[tp] != d {
			j.bad("replicas differ", nameOf(tp), "%s at revision %d, %v: next %d, %d bytes of head", who, l.Revision(), tp, l.Partition(tp).Next(), len(l.Partition(tp).Head(0).Encode()))
			return
		}
	}
}

// Sampled is the newest revision that Compare can judge.
func (j *Judge) Sampled() coordination.Revision {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.sampled
}

// KeepDigest keeps the digests of the newest revision, so that it can be compared.
func (j *Judge) KeepDigest() coordination.Revision {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.digests[j.rev], j.sampled = j.digestsOf(j.shipped), j.rev
	return j.rev
}
