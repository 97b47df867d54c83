// Package maintain does the maintenance of a cluster in visits: a function that a schedule invokes, once a minute or so, and that is
// frozen in between or gone. With it no process needs to live: etcd stays small, and what is stored is kept, rewritten and deleted as
// brokers do.
//
//	Visit ─► read the log ─► duty ─► stamp, floor, checkpoint, trim ─► transactions, journal, backup ─► one large step after the other
//	                          └─ another has it: nothing to do           what must not wait                while there is time
//
// A visit has as much time as its context, less a margin. A step that takes long is begun only when there is time for it,
// and bounded by what is left; the one that was tried longest ago comes first, so that none that is always cut short keeps the others
// from their turn. What a visit has not done it says: the next one, or one more at once, goes on.
//
// What processes have in memory lies in etcd, in one key (state.go), or in the bucket (core/sweep's dockets), or is read anew. All of
// it may be lost: that delays what waits for a time to pass, and nothing else. Memory of an environment is a cache of
// immutable objects.
//
// Invariants:
//   - A visit may end anywhere, and any number may be at work at once, beside brokers too: each step is one that
//     brokers do, and has no more of a right to be alone. The duty saves cost.
//   - Nothing runs when Visit has returned.
//   - What keeps etcd small is done before anything large is begun.
//
// Rejected: a function for each step, which would need an order among schedules; invoking itself when there is more to do, since a
// mistake there costs without bound (a visit says that more is due, and an alarm on it is for people); the time of
// a wall clock between two readings of references, since clocks of environments differ.
//
// Owns: composition for the function, when a step is due, and what is remembered between visits. Does not own: any step.
package maintain

import (
	"context"
	"io"
	"log/slog"
	"time"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/archive"
	"github.com/firnlog/firnlog/core/backup"
	"github.com/firnlog/firnlog/objectstore"
)

// Settings of a Maintainer. Zero fields of those with a default have it after Defaults.
type Settings struct {
	Store   objectstore.Store
	KV      coordination.KV
	Cluster string
	Now     func() time.Time
	Entropy io.Reader // of ids
	Random  func() float64
	Log     *slog.Logger
	// MayBegin is asked before a cluster is made where etcd has none; nil: none is made.
	MayBegin func(ctx context.Context) error
	Holder   string // for people who look who does the upkeep
	// Elsewhere: cold objects have a store of their own.
	Elsewhere bool

	// Margin is kept at the end of a visit for its answer, Reserve before it to write down how far it came.
	Margin, Reserve time.Duration
	// BytesPerSecond is how fast objects are read and written again at least: what takes longer than there is time is not begun.
	BytesPerSecond int64

	Lag, SweepGrace, ProducerExpiry, OffsetsRetention time.Duration
	SettleBytes                                       int64
	SettleAge                                         time.Duration // 0: nothing is settled
	CompactKeys                                       int64
	JournalEvery, BackupEvery                         time.Duration // 0: as in core/backup
	BackupKeep                                        int
	BackupKeepFor                                     time.Duration
	SweepEvery, SettledEvery                          time.Duration
	ScrubRate                                         int64 // bytes a second on average; 0: never
}

// Defaults fills in the usual.
func (s Settings) Defaults() Settings {
	s.Margin, s.Reserve, s.BytesPerSecond = time.Second, 500*time.Millisecond, 8<<20
	s.Lag, s.SweepGrace, s.ProducerExpiry, s.OffsetsRetention = time.Minute, 10*time.Minute, 24*time.Hour, 7*24*time.Hour
	s.SettleBytes, s.SettleAge, s.CompactKeys = 64<<20, time.Hour, 32<<20
	s.JournalEvery, s.BackupEvery, s.BackupKeep, s.BackupKeepFor = 10*time.Second, time.Hour, 3, 24*time.Hour
	s.SweepEvery, s.SettledEvery = time.Hour, 6*time.Hour
	return s
}

// Maintainer maintains. What it remembers are objects of the bucket, which never change, and where the journal ended if nobody else
// has written it since.
type Maintainer struct {
	Settings
	keys    coordination.Keys
	by      string // names this environment
	archive *archive.Archive
	keeper  *backup.Keeper
}

// archiveBytes are for roots and pages of manifests.
const archiveBytes = 16 << 20

// New makes a Maintainer; it does nothing by itself. by names the environment, for itself.
func New(s Settings, by string) *Maintainer {
	return &Maintainer{Settings: s, keys: coordination.NewKeys(s.Cluster), by: by, archive: archive.New(s.Store, archiveBytes)}
}

// backups gives the part that writes backups. Where another environment has been at work, nothing of the journal is remembered.
func (m *Maintainer) backups(last string) *backup.Keeper {
	if m.keeper == nil || last != m.by {
		m.keeper = backup.New(backup.Settings{
			Store: m.Store, KV: m.KV, Cluster: m.Cluster, Now: m.Now, Entropy: m.Entropy, Log: m.Log.With("part", "backup"), Holder: m.Holder,
			JournalEvery: m.JournalEvery, BackupEvery: m.BackupEvery, Keep: m.BackupKeep, KeepFor: m.BackupKeepFor,
		})
	}
	return m.keeper
}
