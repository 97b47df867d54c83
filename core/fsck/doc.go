// Package fsck checks a cluster: that what etcd says, what manifests say and what lies in the bucket are one.
//
//  1. Everything in etcd, as of one revision: each value decodes, marks, topics, heads and commits fit each other; from the heads
//     and the commits after them the ledger is folded, as every instance does it.
//  2. The bucket is listed once. What is referred to must be there, large enough; what is there and not referred to is told apart: of backups,
//     too young to say, to be swept.
//  3. Partition by partition: the extents of manifest, head and later commits join without gap or overlap; sums, aborted and open
//     transactions, and the windows of producers fit.
//  4. What was found wrong in a partition is looked at again in a newer state of etcd, until its references stand
//     still: maintenance may have replaced them meanwhile. So it runs beside a live cluster.
//  5. Deep: bytes. Every batch of every stretch that is referred to is read: CRC, offsets, sums of footers, markers.
//
// Memory is that of a ledger (heads, once or twice), plus the listing of the largest partition's folder, plus a few
// pieces of 4 MiB.
//
// Scrubber does the fifth step for ever, slowly, in a broker.
//
// Owns: what is checked, and what a finding means. Does not own: the formats (each package reads its own), repair: nothing is written.
package fsck

import (
	"errors"
	"log/slog"
	"time"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/objectstore"
)

// Errors of Check.
var (
	// ErrChanging: etcd forgot revisions faster than they could be read.
	ErrChanging = errors.New("etcd was compacted faster than it could be read")
	// ErrInterrupted: the context ended before everything was checked. The report says what was.
	ErrInterrupted = errors.New("interrupted")
)

// Settings of a Checker.
type Settings struct {
	Store   objectstore.Store
	KV      coordination.KV
	Cluster string
	Now     func() time.Time
	Log     *slog.Logger

	// Deep reads bytes of every stretch, or of the part Sample of them (0 < Sample < 1), chosen by Seed.
	Deep   bool
	Sample float64
	Seed   uint64
	// After goes on with the deep check after this place (Report.Next of one that was interrupted).
	After string
	// Progress is told how far it is; total 0: not known. May be nil.
	Progress func(stage string, done, total int)
}

// Checker checks one cluster.
type Checker struct {
	Settings
	keys coordination.Keys
}

// New makes a Checker; Check runs it.
func New(s Settings) *Checker {
	if s.Progress == nil {
		s.Progress = func(string, int, int) {}
	}
	return &Checker{Settings: s, keys: coordination.NewKeys(s.Cluster)}
}

const (
	page = 1000 // of listings
	// archiveBytes are for manifests and indexes that are looked at more than once.
	archiveBytes = 16 << 20
)
