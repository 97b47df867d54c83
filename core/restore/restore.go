// Package restore rebuilds a lost etcd from the bucket alone, as a new era.
//
//	survey      what is in the bucket: names of all objects, the greatest id
//	base        the newest backup that is whole and whose objects are there
//	journal     folded on top of it, up to the last object that follows without a gap: J
//	found       segments that nothing refers to and that may have been committed after J: put back in the order of their ids
//	transactions that are open: aborted, since their end is not known
//	heads       of all that, as of revision 0 of the new etcd
//	write       everything but log/format; log/format last, so that nobody serves what is half there
//
// What holds after it:
//   - What was acknowledged up to J is at the offset that was acknowledged, and groups, transactions and users are as of J.
//   - What was acknowledged after J is there too, at offsets that may be others, but for transactions: these are gone whole.
//   - No instance of the old era writes anything: log/format has another value. No id that it has drawn may be committed:
//     the floor is above every id in the bucket.
//
// Rejected: putting back only segments with ids above that of the last journaled commit. Ids follow the clocks of many
// instances and not the order of commits, so acknowledged records could be left out; what the floor had not passed at J
// may have been committed after it, and nothing else can. The price is that a segment which was stored and
// never committed may come in, whose producers were told to try again.
//
// Owns: what a restore decides. Does not own: the formats of backups (core/backup), the fold (core/ledger), and what an
// open transaction or a group's offsets become (core/txn, core/group).
package restore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/objectstore"
)

// Errors, asked for with errors.Is.
var (
	// ErrNoBackup: the bucket has no backup that can be restored from.
	ErrNoBackup = errors.New("no backup to restore from")
	// ErrNotEmpty: etcd holds keys of this cluster, and Overwrite was not asked for.
	ErrNotEmpty = errors.New("etcd is not empty")
	// ErrTaken: somebody else wrote to this prefix meanwhile.
	ErrTaken = errors.New("etcd was changed by somebody else during the restore")
	// ErrCluster: the backups are of another cluster.
	ErrCluster = errors.New("the backups are of another cluster")
)

// Settings of a restore.
type Settings struct {
	Store   objectstore.Store
	KV      coordination.KV
	Cluster string
	Now     func() time.Time
	Entropy io.Reader
	Log     *slog.Logger
	// Backup to begin from; zero: the newest that is whole. Without Journal it is restored as it is, for a return to a
	// point in time: nothing that came later is folded or put back.
	Backup  ulid.ULID
	Journal bool
	// Overwrite deletes what etcd holds of this cluster.
	Overwrite bool
	// Progress is told how far each stage is; total 0: not known. May be nil.
	Progress func(stage string, done, total int)
}

// Restore is one restore. Prepare reads, Apply writes.
type Restore struct {
	Settings
	keys   coordination.Keys
	bucket *bucket
	state  *state
	puts   []coordination.Change // all of the new etcd but the marks and log/format
	format []byte
	floor  coordination.Mark
	Report Report
}

// Prepare reads the bucket and decides everything; it writes nothing.
func Prepare(ctx context.Context, s Settings) (*Restore, error) {
	if s.Progress == nil {
		s.Progress = func(string, int, int) {}
	}
	r := &Restore{Settings: s, keys: coordination.NewKeys(s.Cluster)}
	r.Report.Cluster = s.Cluster
	var err error
	if r.bucket, err = survey(ctx, s.Store, s.Progress); err != nil {
		return nil, err
	}
	if err := r.choose(ctx); err != nil {
		return nil, err
	}
	if s.Journal {
		if err := r.putBack(ctx); err != nil {
			return nil, err
		}
	}
	if err := r.abortOpen(); err != nil {
		return nil, err
	}
	if err := r.compose(); err != nil {
		return nil, err
	}
	return r, nil
}

// choose folds the newest backup that is whole and whose objects are all there. If none is, the newest that is whole has
// to do, and what is missing is reported.
func (r *Restore) choose(ctx context.Context) error {
	var second *state
	for i := len(r.bucket.backups) - 1; i >= 0; i-- {
		id := r.bucket.backups[i]
		if r.Backup != (ulid.ULID{}) && id != r.Backup {
			continue
		}
		st, err := r.load(ctx, id)
		switch {
		case errors.Is(err, errUnreadable):
			r.Report.PassedOver = append(r.Report.PassedOver, PassedOver{id.String(), err.Error()})
			continue
		case err != nil:
			return err
		}
		if st.root.Cluster != r.Cluster {
			return fmt.Errorf("backup %s is of cluster %q, not of %q: %w", id, st.root.Cluster, r.Cluster, ErrCluster)
		}
		missing := r.missing(st)
		if len(missing) == 0 {
			r.state = st
			return nil
		}
		r.Report.PassedOver = append(r.Report.PassedOver, PassedOver{id.String(), fmt.Sprintf("%d of its objects are not in the bucket, the first is %s", len(missing), missing[0].Object)})
		if second == nil {
			second = st
		}
	}
	if second == nil {
		return ErrNoBackup
	}
	r.state = second
	r.Report.Missing = r.missing(second)
	return nil
}
