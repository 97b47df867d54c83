// Package settle turns many small mixed segments into few large sorted objects: settle and merge are one
// engine, and spill hands what is settled for good to the partition's manifest.
//
//	segments ─► shared objects, tier 1 ─► tier 2 ─► tier 3 ─► objects of one partition ─► manifest
//	        └──────────── a partition with enough bytes for an object of its own ──┘
//
// A step is a plan made from the heads (plan.go), and jobs: read what heads still refer to (load.go, read.go), put it
// sorted into new objects (output.go), swap the references (core/reference). There is no other state than heads and
// objects: a step that is interrupted anywhere left orphans at most, and the next plan goes on. Any number of
// instances may do the same at once; whoever comes second finds that what it replaced is gone, and leaves its objects to sweep.
//
// Bound: a byte is written once by ingest, and rewritten at most four times (docs/decisions/settling.md).
//
// Owns: what is rewritten when, and the bytes of the new objects. Does not own: the formats (core/segment,
// core/manifest), the transaction (core/reference), deleting (core/upkeep's sweep).
package settle

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/oklog/ulid/v2"
	"golang.org/x/sync/errgroup"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/archive"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/reference"
	"github.com/firnlog/firnlog/core/stream"
	"github.com/firnlog/firnlog/objectstore"
)

// CompressionConfig is the topic config that names a codec to recompress batches with when they are settled.
const CompressionConfig = "firnlog.settle.compression"

// Settings of a Settler. Defaults says what is usual.
type Settings struct {
	Store  objectstore.Store
	KV     coordination.KV
	Keys   coordination.Keys
	Stream *stream.Stream
	Now    func() time.Time
	Log    *slog.Logger
	// Observe is told of every finished job; may be nil.
	Observe func(Report)

	// Bytes are what a job takes and an object holds: at least, but for the end of something, and less than twice as much.
	Bytes int64
	// Age is when segments are settled though they are few. Shared objects of tier n move on at 16^n times that age.
	Age time.Duration
	// Rest is how long a segment is left alone, so that all its partitions' heads have come to name it.
	Rest time.Duration
	// SegmentsMax of any size are settled together.
	SegmentsMax int
	// FanIn spans of a partition in one tier move on together, but where SpansMax of their size would make an object of its own.
	FanIn, SpansMax int
	// SpillObjects of a partition's own go to its manifest together.
	SpillObjects int
	// Workers are the jobs at a time; each takes some 1.5 times Bytes of memory, and AheadBytes.
	Workers int
	// PieceBytes are read with one GET, LoadsMax GETs at a time, AheadBytes ahead.
	PieceBytes, AheadBytes int64
	LoadsMax               int
	// May says whether a job of so many bytes may be begun now; nil: any may. Where time is short, what cannot be ended is left.
	May func(bytes int64) bool
	// DamageRetry is after what time bytes that could not be read are tried again.
	DamageRetry time.Duration
}

// Defaults fills in the usual.
func (s Settings) Defaults() Settings {
	s.Bytes, s.Age, s.Rest, s.SegmentsMax = 96<<20, time.Hour, time.Minute, 1000
	s.FanIn, s.SpansMax, s.SpillObjects, s.Workers = 16, 96, 16, 1
	s.PieceBytes, s.AheadBytes, s.LoadsMax, s.DamageRetry = 4<<20, 64<<20, 8, 10*time.Minute
	return s
}

// tiersMax is the last tier of shared objects: what leaves it goes to objects of one partition.
const tiersMax = 3

// archiveBytes are for the roots that are appended to.
const archiveBytes = 1 << 20

// Settler settles. Nothing that it remembers is needed: losing it costs a look at what is damaged.
type Settler struct {
	Settings
	swapper  reference.Swapper
	archive  *archive.Archive
	encoders record.Encoders
	mu       struct {
		sync.Mutex
		damaged map[damage]time.Time               // what could not be read, and when that was seen
		urgent  map[record.TopicPartition]struct{} // whose heads are too large
	}
}

// damage is a partition's bytes in an object.
type damage struct {
	tp     record.TopicPartition
	object ulid.ULID
}

// Report says what a job did.
type Report struct {
	Kind              string // settle, merge, own, spill
	BytesIn, BytesOut int64
	Gets, Puts        int
	Partitions        int // whose references were swapped
	LeftOut           int // partitions that somebody else has changed meanwhile
	Damaged           int // stretches of a partition that could not be read
}

// New makes a Settler; it does nothing by itself.
func New(s Settings) *Settler {
	t := &Settler{Settings: s, swapper: reference.Swapper{KV: s.KV, Keys: s.Keys, Stream: s.Stream}, archive: archive.New(s.Store, archiveBytes)}
	t.mu.damaged = map[damage]time.Time{}
	t.mu.urgent = map[record.TopicPartition]struct{}{}
	return t
}

// Run takes steps until nothing is due, or ctx ends.
func (s *Settler) Run(ctx context.Context) error {
	for {
		more, err := s.Step(ctx)
		if err != nil || !more {
			return err
		}
	}
}

// Step does what is most due, Workers jobs at most, and says whether it did anything. A deadline of ctx bounds it: what was
// swapped until then stays, the rest is planned again.
func (s *Settler) Step(ctx context.Context) (more bool, err error) {
	parts, now, err := s.look()
	if err != nil {
		return false, err
	}
	p := planner{Settings: s.Settings, damaged: s.isDamaged, urgent: s.isUrgent, now: now}
	jobs := slices.DeleteFunc(p.plan(parts), func(j *job) bool { return s.May != nil && !s.May(j.bytes) })
	spills := p.spills(parts)
	s.calmOthers(jobs, spills)
	progress := false
	group, inner := errgroup.WithContext(ctx)
	group.SetLimit(max(s.Workers, 1))
	var mu sync.Mutex
	var errs []error
	for _, j := range jobs[:min(len(jobs), max(s.Workers, 1))] {
		group.Go(func() error {
			moved, err := s.do(inner, j)
			mu.Lock()
			defer mu.Unlock()
			progress = progress || moved
			if err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", j.kind, err))
			}
			return nil // one job's trouble is not another's
		})
	}
	_ = group.Wait() // never an error: they are in errs
	for _, part := range spills {
		moved, err := s.spill(ctx, part, p.spillable(part))
		if progress = progress || moved; err != nil {
			errs = append(errs, fmt.Errorf("spill %v/%d: %w", part.tp.Topic, part.tp.Partition, err))
		}
	}
	return progress, errors.Join(append(errs, ctx.Err())...)
}

// Urge asks to settle a partition first: its head does not fit into etcd.
func (s *Settler) Urge(tp record.TopicPartition) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.urgent[tp] = struct{}{}
}

func (s *Settler) isUrgent(tp record.TopicPartition) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.mu.urgent[tp]
	return ok
}

// calmOthers forgets that partitions were urgent for which there is nothing left to do.
func (s *Settler) calmOthers(jobs []*job, spills []*partition) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.mu.urgent) == 0 {
		return
	}
	busy := map[record.TopicPartition]struct{}{}
	for _, j := range jobs {
		for _, w := range j.works {
			busy[w.tp] = struct{}{}
		}
	}
	for _, part := range spills {
		busy[part.tp] = struct{}{}
	}
	for tp := range s.mu.urgent {
		if _, ok := busy[tp]; !ok {
			delete(s.mu.urgent, tp)
		}
	}
}

func (s *Settler) isDamaged(tp record.TopicPartition, object ulid.ULID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	seen, ok := s.mu.damaged[damage{tp, object}]
	if ok && s.Now().Sub(seen) >= s.DamageRetry {
		delete(s.mu.damaged, damage{tp, object})
		return false
	}
	return ok
}

func (s *Settler) noteDamage(tp record.TopicPartition, object ulid.ULID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.damaged[damage{tp, object}] = s.Now()
}

// Damaged is the number of stretches of partitions that could not be read when last tried.
func (s *Settler) Damaged() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.mu.damaged)
}
