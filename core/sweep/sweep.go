// Package sweep deletes the objects that nothing refers to. It alone deletes.
//
//  1. The floor: no id at or below it can be newly referred to from here on.
//  2. Only then the references, all at one revision: commits and heads, and what retained backups name.
//  3. The list of objects from its beginning, since late puts land anywhere.
//  4. What is at or below the floor and unreferenced becomes a suspect; what was unreferenced
//     a grace ago and still is, goes. The grace is for readers that hold a
//     reference which maintenance has replaced.
//
// Were the references read before the floor, a paused writer could commit its
// segment in between, and it would be deleted though it is referred to.
//
// Objects from before this era are left alone: an etcd that was lost and began anew refers to none of them,
// and they are all there is to restore it from.
//
// There are two rounds. Sweep goes over segments and shared objects, which heads alone refer to. SweepSettled goes over the
// folders of partitions (own objects, cold ones, manifests), folder by folder: there it reads the manifests too, and so it is slower and
// rarer.
//
// Suspects are in the memory of who does rounds; who remembers nothing does them in visits, and writes suspects down (visit.go).
//
// Owns: what is a reference, who is a suspect, and deleting. Does not own: the floor (core/upkeep raises it), when a
// round is due.
package sweep

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/archive"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/pause"
	"github.com/firnlog/firnlog/core/rule"
	"github.com/firnlog/firnlog/core/stream"
	"github.com/firnlog/firnlog/objectstore"
)

// Settings of a Sweeper.
type Settings struct {
	Store  objectstore.Store
	KV     coordination.KV
	Keys   coordination.Keys
	Stream *stream.Stream
	Now    func() time.Time
	Log    *slog.Logger
	// RaiseFloor raises the floor as far as it may be raised.
	RaiseFloor func(context.Context) error
	// Grace is the time between the two rounds that must find an object unreferenced.
	Grace time.Duration
	// Pace is waited between two pages of a listing of the settled folders.
	Pace time.Duration

	// Retained calls refer for every commit and every head (keys as in etcd) of the retained backups and of the journal
	// behind them: what these name is kept, as what etcd names. Nil: there are none.
	Retained func(ctx context.Context, refer func(coordination.Item) error) error
	// Outlived lists backups and journal objects that are needed no more, of those with ids above since and at or
	// below floor. Nil: there are none.
	Outlived func(ctx context.Context, since, floor coordination.Mark) ([]string, error)
	// Deleted is told of each batch; may be nil.
	Deleted func(objects int)
}

const (
	page = 1000 // of a listing
	most = 100  // objects deleted with one look at the era
	// suspectsMax bounds the memory of a round: what is found beyond it is a suspect in a later one.
	suspectsMax = 200_000
	// archiveBytes are for the manifests of the folder that is looked at, and its neighbours'.
	archiveBytes = 8 << 20
)

// Sweeper holds the suspects; losing it only delays things.
type Sweeper struct {
	Settings
	archive *archive.Archive
	mu      struct {
		sync.Mutex
		recent, settled suspects
	}
}

// New makes a Sweeper; it starts nothing.
func New(s Settings) *Sweeper {
	w := &Sweeper{Settings: s, archive: archive.New(s.Store, archiveBytes)}
	w.mu.recent.since, w.mu.settled.since = map[ulid.ULID]time.Time{}, map[ulid.ULID]time.Time{}
	return w
}

// round is one look at the bucket.
type round struct {
	w     *Sweeper
	era   string
	since coordination.Mark // ids at or below are of another era
	floor coordination.Mark
	at    time.Time // when references began to be read
	refs  *references
	of    string // the era's name
	visit *visit // nil: suspects are in memory
}

// begin raises the floor and then reads the references. Nil: another era, what this instance knows is void.
func (w *Sweeper) begin(ctx context.Context) (*round, error) {
	var early *references
	var err error
	if !rule.On(rule.RefsAfterFloor) {
		if early, err = w.references(ctx); err != nil {
			return nil, err
		}
	}
	if err := w.RaiseFloor(ctx); err != nil {
		return nil, err
	}
	snap, err := w.KV.Get(ctx, w.Keys.Floor(), w.Keys.Format())
	if err != nil {
		return nil, fmt.Errorf("read floor: %w", err)
	}
	if string(snap.Items[1].Value) != string(w.Stream.FormatValue()) {
		return nil, nil
	}
	r := &round{w: w, era: string(snap.Items[1].Value), at: w.Now(), refs: early}
	if r.floor, err = coordination.ParseMark(snap.Items[0].Value); err != nil {
		return nil, err
	}
	format, err := ledger.DecodeFormat([]byte(r.era))
	if err != nil {
		return nil, err
	}
	r.since, r.of = format.Since, format.Era
	if r.refs == nil {
		r.refs, err = w.references(ctx)
	}
	return r, err
}

// Sweep deletes segments, shared objects, and backups that have outlived their use.
func (w *Sweeper) Sweep(ctx context.Context) error {
	r, err := w.begin(ctx)
	if err != nil || r == nil {
		return err
	}
	var doomed []string
	w.turn(&w.mu.recent)
	for _, prefix := range Recent.prefixes() {
		err := r.list(ctx, prefix, prefix+lastAt(r.since).String(), func(keys []string) error {
			doomed = append(doomed, r.recent(prefix, keys)...)
			return nil
		})
		if err != nil {
			return err
		}
	}
	w.forget(&w.mu.recent)
	if err := r.delete(ctx, doomed); err != nil {
		return err
	}
	return r.sweepBackups(ctx)
}

// SweepSettled deletes objects in the folders of partitions, those of deleted topics too. It reads the manifests of one folder at a
// time; where that fails, this folder is left alone, and the others go on.
func (w *Sweeper) SweepSettled(ctx context.Context) error {
	r, err := w.begin(ctx)
	if err != nil || r == nil {
		return err
	}
	if err := r.foreign(ctx); err != nil {
		return err
	}
	w.turn(&w.mu.settled)
	for _, prefix := range Settled.prefixes() {
		f := folder{round: r, prefix: prefix}
		err := r.list(ctx, prefix, "", func(keys []string) error {
			doomed := f.judge(ctx, keys)
			if err := r.delete(ctx, doomed); err != nil {
				return err
			}
			return pause.For(ctx, w.Pace)
		})
		if err != nil {
			return err
		}
	}
	w.forget(&w.mu.settled)
	return nil
}

// list gives the keys below prefix page by page.
func (r *round) list(ctx context.Context, prefix, after string, fn func(keys []string) error) error {
	for {
		list, err := r.w.Store.List(ctx, prefix, after, page)
		if err != nil {
			return fmt.Errorf("list %s: %w", prefix, err)
		}
		keys := make([]string, len(list))
		for i := range list {
			keys[i] = list[i].Key
		}
		if err := fn(keys); err != nil {
			return err
		}
		if len(list) < page {
			return nil
		}
		after = keys[len(keys)-1]
	}
}

// sweepBackups deletes backups and journal objects that have outlived their use. What they alone referred to is
// found unreferenced by the next round.
func (r *round) sweepBackups(ctx context.Context) error {
	if r.w.Outlived == nil {
		return nil
	}
	keys, err := r.w.Outlived(ctx, r.since, r.floor)
	if err != nil {
		return fmt.Errorf("list backups that are needed no more: %w", err)
	}
	return r.delete(ctx, keys)
}

// delete removes objects, as long as log/format is what it was when they were judged.
func (r *round) delete(ctx context.Context, keys []string) error {
	for len(keys) > 0 {
		// A restore in the meantime may refer to them again.
		snap, err := r.w.KV.Get(ctx, r.w.Keys.Format())
		if err != nil {
			return fmt.Errorf("read format: %w", err)
		}
		if string(snap.Items[0].Value) != r.era {
			return nil
		}
		n := min(len(keys), most)
		if err := r.w.Store.Delete(ctx, keys[:n]...); err != nil {
			return fmt.Errorf("delete %d unreferenced objects: %w", n, err)
		}
		r.w.Log.Info("unreferenced objects deleted", "count", n, "first", keys[0])
		if r.w.Deleted != nil {
			r.w.Deleted(n)
		}
		keys = keys[n:]
	}
	return nil
}

// lastAt is the greatest id with this time.
func lastAt(m coordination.Mark) (id ulid.ULID) {
	for i := range id {
		id[i] = 0xff
	}
	_ = id.SetTime(uint64(m)) // fits: marks are times of ids
	return id
}
