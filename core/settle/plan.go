package settle

import (
	"slices"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/record"
)

// partition is what a plan knows of one: references of its head in etcd, never fresh ones.
type partition struct {
	tp       record.TopicPartition
	topic    *ledger.Topic
	stored   []ledger.Span // from the log start on
	manifest *ledger.Manifest
	stable   record.Offset // last stable offset
}

// look reads what heads refer to, in the order of partitions, and the time: ids take theirs from the stamp, so a clock that is
// behind it would take everything for young.
func (s *Settler) look() (out []partition, now time.Time, err error) {
	err = s.Stream.View(func(l *ledger.Ledger) {
		if now = time.UnixMilli(int64(l.Stamp())); now.Before(s.Now()) {
			now = s.Now()
		}
		l.EachPartition(func(tp record.TopicPartition, p *ledger.Partition) {
			t, ok := l.TopicByID(tp.Topic)
			if !ok || len(p.Stored()) == 0 {
				return
			}
			out = append(out, partition{tp, t, p.Stored(), p.Manifest(), min(p.LastStable(), p.Next())})
		})
	})
	slices.SortFunc(out, func(a, b partition) int { return a.tp.Compare(b.tp) })
	return out, now, err
}

// job rewrites stretches of some partitions, in their order.
type job struct {
	kind  string
	tier  uint8 // of what is shared
	works []*work
	bytes int64
}

// work is one partition's part in a job.
type work struct {
	tp    record.TopicPartition
	topic *ledger.Topic
	runs  []*run
	bytes int64
	own   bool // to objects of its own
}

// run is neighbouring spans that become one, or one for each object that holds a part of them.
type run struct {
	spans  []ledger.Span
	into   []ledger.Span
	failed bool
}

type planner struct {
	Settings
	damaged func(record.TopicPartition, ulid.ULID) bool
	urgent  func(record.TopicPartition) bool
	now     time.Time
}

// ownMax is how many times Bytes of a partition one job takes.
const ownMax = 4

// plan says what is due, what bounds the heads first. Jobs may be done at once, or in any order, or not at all.
//
//  1. Partitions whose head is too large for etcd.
//  2. Partitions with enough shared bytes for an object of their own, or whose own objects have shared spans between them.
//  3. Tiers from the last to the first: a partition has FanIn spans there, or an object there is too old. All
//     partitions of the same objects move with it, so that these become free.
//  4. Segments: together of Bytes, or many, or old.
func (p *planner) plan(parts []partition) (jobs []*job) {
	taken := map[record.TopicPartition]bool{}
	jobs = append(jobs, p.owns(parts, taken)...)
	for tier := uint8(tiersMax); tier >= 1; tier-- {
		jobs = append(jobs, p.merges(parts, taken, tier)...)
	}
	return append(jobs, p.settles(parts)...)
}

// owns gathers partitions that leave the shared objects.
func (p *planner) owns(parts []partition, taken map[record.TopicPartition]bool) []*job {
	var works []*work
	for i := range parts {
		part := &parts[i]
		want, urgent := shared, p.urgent(part.tp)
		switch last, blocked := p.blocked(part); {
		case urgent:
			want = unsettled
		case p.bytesOf(part, shared) >= p.Bytes:
		case blocked:
			want = func(s *ledger.Span) bool { return shared(s) && s.End <= last }
		default:
			continue
		}
		if w := p.work(part, want); w != nil {
			w.own = true
			taken[part.tp] = true
			works = append(works, w)
			if urgent { // first
				works[0], works[len(works)-1] = w, works[0]
			}
		}
	}
	return p.slice("own", 0, works)
}

// blocked says that shared spans keep a partition's own objects from the manifest, once these are enough; the
// last of them begins at last.
func (p *planner) blocked(part *partition) (last record.Offset, blocked bool) {
	own, between := 0, 0
	for i := range part.stored {
		switch s := &part.stored[i]; {
		case settledOwn(s):
			own++
			last, blocked = s.Base, between > 0
		case shared(s):
			between++
		}
	}
	return last, blocked && own >= p.SpillObjects
}

// merges moves shared objects of a tier on.
func (p *planner) merges(parts []partition, taken map[record.TopicPartition]bool, tier uint8) []*job {
	inTier := func(s *ledger.Span) bool { return shared(s) && s.Tier == tier }
	old := p.now.Add(-p.Age << (4 * tier))
	moved := map[ulid.ULID]bool{}
	for i := range parts {
		n, bytes := int64(0), int64(0)
		for k := range parts[i].stored {
			if s := &parts[i].stored[k]; inTier(s) && !p.damaged(parts[i].tp, s.Segment) {
				n++
				bytes += s.Length
				if madeBefore(s.Segment, old) {
					moved[s.Segment] = true
				}
			}
		}
		if taken[parts[i].tp] || n < int64(p.FanIn) || n < int64(p.SpansMax) && bytes/n*int64(p.SpansMax) >= p.Bytes {
			continue
		}
		for k := range parts[i].stored {
			if s := &parts[i].stored[k]; inTier(s) {
				moved[s.Segment] = true
			}
		}
	}
	if len(moved) == 0 {
		return nil
	}
	var works []*work
	for i := range parts {
		if taken[parts[i].tp] {
			continue
		}
		if w := p.work(&parts[i], func(s *ledger.Span) bool { return inTier(s) && moved[s.Segment] }); w != nil {
			w.own = tier == tiersMax || w.bytes >= p.Bytes
			taken[w.tp] = true
			works = append(works, w)
		}
	}
	return p.slice("merge", tier+1, works)
}

// settles takes segments, oldest first.
func (p *planner) settles(parts []partition) []*job {
	sizes, total := map[ulid.ULID]int64{}, int64(0)
	for i := range parts {
		for k := range parts[i].stored {
			if s := &parts[i].stored[k]; inSegment(s) && madeBefore(s.Segment, p.now.Add(-p.Rest)) && !p.damaged(parts[i].tp, s.Segment) {
				sizes[s.Segment] += s.Length
				total += s.Length
			}
		}
	}
	ids := make([]ulid.ULID, 0, len(sizes))
	for id := range sizes {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, func(a, b ulid.ULID) int { return a.Compare(b) })
	if len(ids) == 0 || total < p.Bytes && len(ids) < p.SegmentsMax && !madeBefore(ids[0], p.now.Add(-p.Age)) {
		return nil
	}
	chosen, bytes := map[ulid.ULID]bool{}, int64(0)
	for _, id := range ids[:min(len(ids), max(p.SegmentsMax, 1))] {
		if bytes += sizes[id]; bytes > p.most() && len(chosen) > 0 {
			break
		}
		chosen[id] = true
	}
	var works []*work
	for i := range parts {
		if w := p.work(&parts[i], func(s *ledger.Span) bool { return inSegment(s) && chosen[s.Segment] }); w != nil {
			w.own = w.bytes >= p.Bytes
			works = append(works, w)
		}
	}
	if len(works) == 0 {
		return nil
	}
	j := &job{kind: "settle", tier: 1, works: works}
	for _, w := range works {
		j.bytes += w.bytes
	}
	return []*job{j}
}

// most is how much a job takes.
func (p *planner) most() int64 { return p.Bytes + p.Bytes/2 }

// slice cuts works into jobs.
func (p *planner) slice(kind string, tier uint8, works []*work) (jobs []*job) {
	var j *job
	for _, w := range works {
		if j == nil || j.bytes+w.bytes > p.most() && j.bytes > 0 {
			j = &job{kind: kind, tier: tier}
			jobs = append(jobs, j)
		}
		j.works = append(j.works, w)
		j.bytes += w.bytes
	}
	return jobs
}

// work gathers the spans that are wanted, with the markers beside them; nil: none is.
func (p *planner) work(part *partition, want func(*ledger.Span) bool) *work {
	w := &work{tp: part.tp, topic: part.topic}
	spans := part.stored
	for i := 0; i < len(spans) && w.bytes < ownMax*p.Bytes; {
		k, any := i, false
		for ; k < len(spans) && w.bytes < ownMax*p.Bytes; k++ {
			wanted := spans[k].Inline == nil && want(&spans[k]) && !p.damaged(part.tp, spans[k].Segment)
			if !wanted && spans[k].Inline == nil {
				break
			}
			any = any || wanted
			w.bytes += spans[k].Length
		}
		if any {
			w.runs = append(w.runs, &run{spans: spans[i:k]})
		}
		i = max(k, i+1)
	}
	if len(w.runs) == 0 {
		return nil
	}
	return w
}

func (p *planner) bytesOf(part *partition, want func(*ledger.Span) bool) (n int64) {
	for i := range part.stored {
		if s := &part.stored[i]; want(s) && !p.damaged(part.tp, s.Segment) {
			n += s.Length
		}
	}
	return n
}

func inSegment(s *ledger.Span) bool  { return s.Inline == nil && s.Place == ledger.InSegment }
func shared(s *ledger.Span) bool     { return s.Inline == nil && s.Place == ledger.InShared }
func unsettled(s *ledger.Span) bool  { return inSegment(s) || shared(s) }
func settledOwn(s *ledger.Span) bool { return s.Inline == nil && s.Place > ledger.InShared }

// madeBefore says whether an object is older than a time, by its id.
func madeBefore(id ulid.ULID, t time.Time) bool { return int64(id.Time()) < t.UnixMilli() }
