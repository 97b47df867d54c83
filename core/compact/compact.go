// Package compact is log compaction: of a topic whose cleanup.policy has compact, each key's last record stays.
//
//	            log start          clean                through
//	manifest  ├── compacted ────────┼── dirty, keys known ──┼─ dirty ─┤ spans of the head, fresh ones
//	walk      └───────── done ──▶ ........................ ─┘
//
// A walk has two parts. It reads the dirty part and notes for each key the offset of its last record, in a map of fixed size,
// as far as that goes (through). Then it rewrites the log from its start up to there, group by group of some 64 MiB, and
// leaves out what has a later record in the map. Each group is one swap of references, and the root of the manifest says how far the
// walk has come, so that another instance goes on from there.
//
// What is compacted are settled bytes below the last stable offset: the manifest's, and the spans of the head that follow it
// without a segment between. All go to objects of the partition alone, and into the manifest; so small partitions are compacted
// as large ones are. Offsets stay; what is gone leaves a gap, and entries stand for all offsets.
//
// Invariants:
//   - A record goes only when a later record of its key is in the log, or it is a tombstone past its delete horizon, or
//     aborted. Older records of a tombstone's key go before it, since groups are swapped in the order of offsets, and a walk goes
//     on only where it was left (compared in the edit of the root): a key never comes back.
//   - Bytes that do not change are copied as they are; a batch that changes is read back and compared with what was chosen.
//   - Whoever comes second finds another root and stops; what it has put is for sweep. Retention, DeleteRecords, settling and
//     the topic's deletion may happen meanwhile: a swap replaces just the entries that were read, or nothing.
//
// Owns: what is due, which records stay, the objects. Does not own: formats (core/record, core/segment, core/manifest), the swap
// (core/amend, core/reference).
package compact

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/firnlog/firnlog/core/amend"
	"github.com/firnlog/firnlog/core/archive"
	"github.com/firnlog/firnlog/core/manifest"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/stream"
	"github.com/firnlog/firnlog/objectstore"
)

// Settings of a Compactor. Defaults says what is usual.
type Settings struct {
	Store   objectstore.Store
	Stream  *stream.Stream
	Archive *archive.Archive
	Amender *amend.Amender
	Now     func() time.Time
	Log     *slog.Logger
	// Observe is told of every walk that ended, or was interrupted; may be nil.
	Observe func(Report)

	// KeysBytes is the memory of the map of keys: 24 bytes a key.
	KeysBytes int64
	// Bytes are what an object holds. Entries of less than half are put together.
	Bytes int64
	// PieceBytes are read with one GET.
	PieceBytes int64
	// DirtyMin is how much must be dirty before anything is done, unless it is as old as segment.ms: Kafka, too, leaves
	// its active segment alone.
	DirtyMin int64
	// StepMax is how long a step takes before it lets others go on.
	StepMax time.Duration
	// Retry is after what time a partition is tried again that somebody else has changed, or whose bytes could not be read.
	Retry time.Duration
}

// Defaults fills in the usual.
func (s Settings) Defaults() Settings {
	s.KeysBytes, s.Bytes, s.PieceBytes, s.DirtyMin = 64<<20, 64<<20, 8<<20, 4<<20
	s.StepMax, s.Retry = 5*time.Minute, 10*time.Minute
	return s
}

// Report says what a walk did.
type Report struct {
	Partition         record.TopicPartition
	BytesIn, BytesOut int64 // read to rewrite, and written
	RecordsDropped    int64
	Groups            int  // swaps
	Finished          bool // through the whole walk
}

// Compactor compacts. What it remembers saves work and is not needed.
type Compactor struct {
	Settings
	encoders record.Encoders
	busy     atomic.Bool // a step is under way: it alone touches what follows
	keys     *offsets
	of       walked // the walk that keys and txns are of
	txns     *transactions
	seen     map[record.TopicPartition]look
}

// walked names a walk.
type walked struct {
	tp       record.TopicPartition
	progress manifest.Compaction
}

// errStop: somebody else has changed what this walk was about. The next step sees what is there now.
var errStop = errors.New("compaction was overtaken")

// New makes a Compactor; it does nothing by itself.
func New(s Settings) *Compactor {
	return &Compactor{Settings: s, seen: map[record.TopicPartition]look{}}
}

// Run takes steps until nothing is due, or ctx ends.
func (c *Compactor) Run(ctx context.Context) error {
	for {
		more, err := c.Step(ctx)
		if err != nil || !more {
			return err
		}
	}
}

// Step compacts the partition that needs it most, for StepMax at most, and says whether there was one.
func (c *Compactor) Step(ctx context.Context) (more bool, err error) {
	if !c.busy.CompareAndSwap(false, true) {
		return false, nil // there is one map of keys
	}
	defer c.busy.Store(false)
	job, err := c.next(ctx)
	if err != nil || job == nil {
		return false, err
	}
	if c.keys == nil {
		c.keys = newOffsets(c.KeysBytes)
	}
	w := &walk{Compactor: c, job: job, until: c.Now().Add(c.StepMax), report: Report{Partition: job.tp}}
	err = w.run(ctx)
	if c.Observe != nil {
		c.Observe(w.report)
	}
	switch {
	case err == nil:
		delete(c.seen, job.tp)
		return true, nil
	case ctx.Err() != nil:
		return false, ctx.Err()
	case errors.Is(err, errStop):
		c.Log.Info("compaction was overtaken and will be tried again", "topic", job.topic.Name, "partition", job.tp.Partition, "cause", err)
	default:
		c.Log.Error("compaction failed and will be tried again", "topic", job.topic.Name, "partition", job.tp.Partition, "error", err)
	}
	c.seen[job.tp] = look{settled: job.settled, again: c.Now().Add(c.Retry)}
	return true, nil
}
