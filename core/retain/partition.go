package retain

import (
	"context"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/archive"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/rule"
	"github.com/firnlog/firnlog/core/topic"
)

// partition is one as it was when the step began.
type partition struct {
	tp       record.TopicPartition
	topic    *ledger.Topic
	start    record.Offset
	manifest *ledger.Manifest // nil: none, or all of it lies below the log start
	spans    []ledger.Span    // of the head, from the log start on
	inSpans  int64            // bytes

	timed, sized bool
	age          time.Duration
	size         int64

	shelved shelved
	overdue time.Duration
}

// shelved is what counts of a manifest, as seen from a log start.
type shelved struct {
	manifest  ulid.ULID
	start     record.Offset
	first     piece
	bytes     int64 // from the log start on
	dead      int64 // entries below the log start
	deadBytes int64 // of them
}

// piece is what expires as a whole.
type piece struct {
	end          record.Offset
	bytes, stamp int64
}

func pieceOf(s *ledger.Span) piece {
	if !rule.On(rule.RetainByTimestamp) {
		return piece{s.End, s.Length, int64(s.Segment.Time())} // when the object was written
	}
	return piece{s.End, s.Length, s.MaxTimestamp}
}

// look gathers all partitions that retention applies to, or that have a manifest which may be too long.
func (r *Retainer) look() (out []*partition, err error) {
	alive := map[record.TopicPartition]bool{}
	err = r.Stream.View(func(l *ledger.Ledger) {
		l.EachPartition(func(tp record.TopicPartition, state *ledger.Partition) {
			t, ok := l.TopicByID(tp.Topic)
			if !ok {
				return
			}
			p := &partition{tp: tp, topic: t, start: state.LogStart()}
			p.age, p.timed = topic.RetentionTime(t)
			p.size, p.sized = topic.RetentionSize(t)
			if m := state.Manifest(); m != nil && m.End > p.start {
				p.manifest = m
			}
			for i, s := range state.Stored() {
				if s.End > p.start {
					p.spans = state.Stored()[i:]
					break
				}
			}
			for i := range p.spans {
				p.inSpans += p.spans[i].Length
			}
			if p.manifest != nil || len(p.spans) > 0 && (p.timed || p.sized) {
				alive[tp] = true
				out = append(out, p)
			}
		})
	})
	for tp := range r.known {
		if !alive[tp] {
			delete(r.known, tp)
			delete(r.since, tp)
		}
	}
	return out, err
}

// shelved fills in what counts of the manifest, from memory where it can be; known is false when there were enough loads
// in this step.
func (r *Retainer) shelved(ctx context.Context, p *partition, loads *int) (known bool, err error) {
	if p.manifest == nil {
		return true, nil
	}
	if k, ok := r.known[p.tp]; ok && k.manifest == p.manifest.ID && k.start == p.start {
		p.shelved = k
		return true, nil
	}
	if *loads++; *loads > r.LoadsMax {
		r.behind = true
		return false, nil
	}
	shelf, err := r.Archive.Open(ctx, p.tp, p.manifest)
	if err != nil {
		return false, err
	}
	k, err := weigh(ctx, shelf, p)
	if err != nil {
		return false, err
	}
	r.known[p.tp], p.shelved = k, k
	return true, nil
}

// weigh sums up a manifest: pages by what the root says of them, and the one that the log start divides by its entries.
func weigh(ctx context.Context, shelf *archive.Shelf, p *partition) (k shelved, err error) {
	k = shelved{manifest: p.manifest.ID, start: p.start}
	root, entries := shelf.Root(), int64(0)
	divided := root.Base() // up to here by entries
	if at := root.PageAt(p.start); at < len(root.Pages) && root.Pages[at].Base < p.start {
		divided = root.Pages[at].End
	}
	if p.manifest.End < root.End() {
		divided = root.End() // a fork shares a part of its source's
	}
	for e, err := range shelf.Entries(ctx, p.start) {
		if err != nil {
			return k, err
		}
		if k.first.end == 0 {
			k.first = pieceOf(&e.Span)
		}
		if e.Base >= divided {
			break
		}
		k.bytes, entries = k.bytes+e.Length, entries+1
	}
	for _, ref := range root.Pages {
		if ref.Base >= max(p.start, divided) {
			k.bytes, entries = k.bytes+ref.Bytes, entries+ref.Objects
		}
	}
	for _, e := range root.Entries {
		if e.End > p.start && e.Base >= divided {
			k.bytes, entries = k.bytes+e.Length, entries+1
		}
	}
	k.dead, k.deadBytes = max(p.manifest.Objects-entries, 0), max(p.manifest.Bytes-k.bytes, 0)
	return k, nil
}

// first is what would expire first.
func (p *partition) first() (piece, bool) {
	switch {
	case p.manifest != nil:
		return p.shelved.first, p.shelved.first.end > 0
	case len(p.spans) > 0:
		return pieceOf(&p.spans[0]), true
	}
	return piece{}, false
}

// bytes is how large the partition is.
func (p *partition) bytes() int64 { return p.shelved.bytes + p.inSpans }

// expiry walks pieces in the order of offsets and says where the log is to begin.
type expiry struct {
	p     *partition
	now   int64 // ms
	bytes int64 // of what is left
	cut   record.Offset
}

// drops notes a piece, and says whether it goes.
func (x *expiry) drops(c piece) bool {
	old := x.p.timed && x.now-c.stamp > x.p.age.Milliseconds()
	if !old && !(x.p.sized && x.bytes-c.bytes >= x.p.size) {
		return false
	}
	x.bytes -= c.bytes
	x.cut = c.end
	return true
}

// cut finds where the log of a partition is to begin. Pages that expire as a whole are not read.
func (r *Retainer) cut(ctx context.Context, p *partition) (record.Offset, error) {
	x := &expiry{p: p, now: r.Now().UnixMilli(), bytes: p.bytes(), cut: p.start}
	if p.manifest != nil {
		shelf, err := r.Archive.Open(ctx, p.tp, p.manifest)
		if err != nil {
			return p.start, err
		}
		for i := range shelf.Root().Pages {
			ref := &shelf.Root().Pages[i]
			if ref.End <= p.start {
				continue
			}
			if ref.Base < p.start || ref.End > p.manifest.End || !x.drops(piece{ref.End, ref.Bytes, ref.MaxTimestamp}) {
				break
			}
		}
		for e, err := range shelf.Entries(ctx, x.cut) {
			if err != nil {
				return p.start, err
			}
			if !x.drops(pieceOf(&e.Span)) {
				return x.cut, nil
			}
		}
	}
	for i := range p.spans {
		if !x.drops(pieceOf(&p.spans[i])) {
			break
		}
	}
	return x.cut, nil
}

// keyOf is the head's key in etcd.
func (r *Retainer) keyOf(p *partition) string { return r.Keys.Head(p.tp.Topic, p.tp.Partition) }

// guards of a head and its topic, as they were read.
func guards(head, topic coordination.Item) []coordination.Guard {
	return []coordination.Guard{coordination.ModIs(head.Key, head.Mod), coordination.ModIs(topic.Key, topic.Mod)}
}
