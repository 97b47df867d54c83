// Package retain is retention: retention.ms and retention.bytes of topics whose cleanup.policy has delete.
//
// It moves log starts, by compare-and-swap on heads alone, as DeleteRecords does; nothing else of a head changes, and no
// data is read. What expires is a whole entry of the manifest or a whole span of the head, when its greatest timestamp is older than
// retention.ms, or when what follows it is still retention.bytes: as in Kafka, where it is a whole segment. Timestamps in the
// future keep what they are in until then, as in Kafka (message.timestamp.after.max.ms bounds that).
//
// A step looks at all partitions by what is in memory, reads the roots of manifests that are new to it (a bounded number), and moves
// the log starts of those that are longest overdue: however much expires in a partition, it is one cut. Time enters here, by this
// instance's clock, and what comes of it is the log start in etcd.
//
// Entries below the log start leave the manifest when there are some of them, with another root; sweep then finds their objects.
//
// Owns: what expires when. Does not own: manifests (core/manifest, core/amend), deletion of objects (sweep).
package retain

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/amend"
	"github.com/firnlog/firnlog/core/archive"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/stream"
)

// Settings of a Retainer. Defaults says what is usual.
type Settings struct {
	KV      coordination.KV
	Keys    coordination.Keys
	Stream  *stream.Stream
	Archive *archive.Archive
	Amender *amend.Amender
	Now     func() time.Time
	Log     *slog.Logger

	// LogStartsMax are moved in one step, LoadsMax roots of manifests read, PrunesMax manifests made shorter.
	LogStartsMax, LoadsMax, PrunesMax int
	// DeadMax entries below the log start, or an eighth of all bytes, and a manifest is made shorter.
	DeadMax int64
}

// Defaults fills in the usual.
func (s Settings) Defaults() Settings {
	s.LogStartsMax, s.LoadsMax, s.PrunesMax, s.DeadMax = 640, 256, 32, 16
	return s
}

// Retainer retains. What it remembers saves reads.
type Retainer struct {
	Settings
	busy    atomic.Bool // a step is under way: it alone touches what follows
	known   map[record.TopicPartition]shelved
	since   map[record.TopicPartition]time.Time // too large, and when that was seen
	overdue atomic.Int64                        // partitions
	longest atomic.Int64                        // how long the first of them is overdue
	behind  bool                                // the last step left something that it could have done
}

// New makes a Retainer; it does nothing by itself.
func New(s Settings) *Retainer {
	return &Retainer{Settings: s, known: map[record.TopicPartition]shelved{}, since: map[record.TopicPartition]time.Time{}}
}

// Overdue says how many partitions held something expired after the last step, and how long the longest.
func (r *Retainer) Overdue() (partitions int, longest time.Duration) {
	return int(r.overdue.Load()), time.Duration(r.longest.Load())
}

// Behind says whether the last step left something for the next only because a step is bounded. It is for who calls Step.
func (r *Retainer) Behind() bool { return r.behind }

// Step moves the log starts that are longest overdue, and makes manifests shorter.
func (r *Retainer) Step(ctx context.Context) error {
	if !r.busy.CompareAndSwap(false, true) {
		return nil
	}
	defer r.busy.Store(false)
	r.behind = false
	format := r.Stream.FormatValue()
	parts, err := r.look()
	if err != nil {
		return err
	}
	due, err := r.due(ctx, parts)
	if err != nil {
		return err
	}
	r.behind = r.behind || len(due) > r.LogStartsMax
	moved, err := r.move(ctx, format, due[:min(len(due), r.LogStartsMax)])
	r.note(due[moved:])
	if err != nil {
		return err
	}
	return r.prune(ctx, parts)
}

// note keeps what is still overdue, for who watches.
func (r *Retainer) note(left []*partition) {
	longest := time.Duration(0)
	for _, p := range left {
		longest = max(longest, p.overdue)
	}
	r.overdue.Store(int64(len(left)))
	r.longest.Store(int64(longest))
}

// due gives the partitions of which something has expired, the longest overdue first.
func (r *Retainer) due(ctx context.Context, parts []*partition) (due []*partition, err error) {
	loads := 0
	first := r.begin(len(parts))
	for i := range parts {
		p := parts[(i+first)%len(parts)]
		if !p.timed && !p.sized {
			continue
		}
		known, err := r.shelved(ctx, p, &loads)
		if err != nil {
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			r.Log.Error("retention of a partition cannot be looked at", "topic", p.topic.Name, "partition", p.tp.Partition, "error", err)
			continue
		}
		if known && r.isDue(p) {
			due = append(due, p)
		}
	}
	slices.SortStableFunc(due, func(a, b *partition) int { return cmp.Compare(b.overdue, a.overdue) })
	return due, nil
}

// begin is the partition that a look begins with: another one each minute, so that who remembers nothing gets to all of them
// though one step reads few manifests.
func (r *Retainer) begin(n int) int {
	return int(r.Now().Unix() / 60 * int64(r.LoadsMax) % int64(max(n, 1)))
}

// isDue says whether the first thing of a partition has expired, and how long ago. What is too large has been so since
// it was seen.
func (r *Retainer) isDue(p *partition) bool {
	now := r.Now()
	first, ok := p.first()
	if !ok {
		return false
	}
	if p.timed {
		p.overdue = now.Sub(time.UnixMilli(first.stamp).Add(p.age))
	}
	large := p.sized && p.bytes()-first.bytes >= p.size
	if !large {
		delete(r.since, p.tp)
		return p.timed && p.overdue > 0
	}
	if _, ok := r.since[p.tp]; !ok {
		r.since[p.tp] = now
	}
	p.overdue = max(p.overdue, now.Sub(r.since[p.tp]), 0)
	return true
}

// describe names a partition in errors.
func (p *partition) describe() string { return fmt.Sprintf("%s/%d", p.topic.Name, p.tp.Partition) }
