package fsck

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/oklog/ulid/v2"

	"github.com/firnlog/firnlog/core/archive"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/objectstore"
)

// run is one check on its way.
type run struct {
	c       *Checker
	report  *Report
	now     *snapshot
	archive *archive.Archive
	refs    *references
	backups *backups
	listed  struct{ segments, shared map[ulid.ULID]int64 } // sizes of those that are referred to
	sums    sums
	ongoing map[string]bool // transactional ids with a transaction open, as they stand in keys
	again   []suspect
	// doubtful are objects in folders that their own partition does not refer to: forks may.
	doubtful []doubtful
}

type doubtful struct {
	objectstore.Info
	kept bool
}

// suspect is a partition with findings, and the references that it had.
type suspect struct {
	tp     record.TopicPartition
	digest uint64
	found  []Finding
}

// Check checks everything. With ErrInterrupted the report says what was found until then; other errors mean
// that etcd or the store could not be read.
func (c *Checker) Check(ctx context.Context) (*Report, error) {
	r := &run{c: c, report: &Report{Cluster: c.Cluster, Findings: []Finding{}}, archive: archive.New(c.Store, archiveBytes), refs: newReferences(), sums: sums{}, ongoing: map[string]bool{}}
	err := r.all(ctx)
	if ctx.Err() != nil {
		r.report.Interrupted = true
		err = fmt.Errorf("check: %w", ErrInterrupted)
	}
	for _, s := range r.again {
		r.report.add(s.found...)
	}
	for _, k := range []Kind{ForeignName, Unswept, Unreferenced, Young, ForBackups, EarlierEra} {
		if f := r.sums[k]; f != nil {
			f.What = fmt.Sprintf("%d objects of %d bytes", f.Objects, f.Bytes)
			r.report.add(*f)
		}
	}
	r.report.order()
	return r.report, err
}

func (r *run) all(ctx context.Context) error {
	var err error
	r.c.Progress("reading etcd", 0, 0)
	for _, step := range []func(context.Context) error{r.begin, r.transactions, r.groups, r.readBackups, r.segments, r.partitions, r.lookAgain} {
		if err = step(ctx); err != nil {
			return err
		}
	}
	if r.c.Deep || r.c.Sample > 0 {
		err = r.deep(ctx)
	}
	return err
}

// begin reads the log.
func (r *run) begin(ctx context.Context) (err error) {
	if r.now, err = r.c.snapshot(ctx, func(f Finding) { r.report.add(f) }); err != nil {
		return err
	}
	l := r.now.ledger
	r.report.Era, r.report.Revision = l.Era(), r.now.revision
	r.report.Counts.Topics, r.report.Counts.Heads, r.report.Counts.Commits = len(l.Topics()), len(r.now.heads), r.now.commits
	if l.Floor() > l.Stamp() || l.Floor() < r.now.since {
		r.report.add(finding(Marks, "", "floor %d, stamp %d, the era began at %d", l.Floor(), l.Stamp(), r.now.since))
	}
	for tp := range r.now.heads {
		if !l.Has(tp) {
			r.report.add(finding(LeftoverHead, r.c.keys.Head(tp.Topic, tp.Partition), "partition %d of topic id %v does not exist", tp.Partition, tp.Topic))
		}
	}
	for id := range r.now.sizes {
		r.refs.segments[id] = struct{}{}
	}
	l.EachPartition(func(tp record.TopicPartition, p *ledger.Partition) {
		for _, spans := range [2][]ledger.Span{p.Stored(), p.Fresh()} {
			for i := range spans {
				r.refs.span(tp, &spans[i])
			}
		}
	})
	return nil
}

// segments lists segments and shared objects.
func (r *run) segments(ctx context.Context) error {
	r.listed.segments, r.listed.shared = map[ulid.ULID]int64{}, map[ulid.ULID]int64{}
	for _, part := range []struct {
		prefix     string
		used, kept map[ulid.ULID]struct{}
		sizes      map[ulid.ULID]int64
	}{
		{ledger.SegmentPrefix, r.refs.segments, r.backups.refs.segments, r.listed.segments},
		{ledger.SharedPrefix, r.refs.shared, r.backups.refs.shared, r.listed.shared},
	} {
		c := &cursor{store: r.c.Store, prefix: part.prefix, seen: r.seen}
		c.stray = func(o objectstore.Info) {
			id, ok := idOf(o.Key)
			_, used := part.used[id]
			_, kept := part.kept[id]
			if ok && used && o.Key == part.prefix+id.String() {
				part.sizes[id] = o.Size
			} else {
				r.judge(o, kept)
			}
		}
		if err := c.rest(ctx); err != nil {
			return err
		}
	}
	return strangers(ctx, r.c.Store, func(o objectstore.Info) { r.seen(o); r.sums.add(ForeignName, o) })
}

func (r *run) seen(o objectstore.Info) {
	r.report.Counts.Objects++
	r.report.Counts.ObjectBytes += o.Size
	if r.report.Counts.Objects%page == 0 {
		r.c.Progress("listing objects", int(r.report.Counts.Objects), 0)
	}
}

// ordered gives all partitions in the order of their folders.
func (s *snapshot) ordered() (all []record.TopicPartition) {
	for _, t := range s.ledger.Topics() {
		for n := range t.Partitions {
			all = append(all, record.TopicPartition{Topic: t.ID, Partition: n})
		}
	}
	slices.SortFunc(all, func(a, b record.TopicPartition) int { return cmp.Compare(ledger.Folder("", a), ledger.Folder("", b)) })
	return all
}

// folderPrefixes are those with folders of partitions.
func folderPrefixes() []string {
	return []string{ledger.ManifestPrefix, ledger.SettledPrefix, ledger.ColdPrefix}
}

// partitions checks one after the other, while the listing of their folders goes along.
func (r *run) partitions(ctx context.Context) error {
	var cursors []*cursor
	for _, prefix := range folderPrefixes() {
		cursors = append(cursors, &cursor{store: r.c.Store, prefix: prefix, seen: r.seen, stray: r.stray})
	}
	all := r.now.ordered()
	for i, tp := range all {
		r.c.Progress("partitions", i, len(all))
		if err := r.partition(ctx, tp, cursors); err != nil {
			return err
		}
		r.report.Counts.Partitions++
	}
	for _, c := range cursors {
		if err := c.rest(ctx); err != nil {
			return err
		}
	}
	for _, o := range r.doubtful {
		if _, used := r.refs.foreign[o.Key]; !used {
			r.judge(o.Info, o.kept)
		}
	}
	return nil
}

// partition checks one with the listing of its folders.
func (r *run) partition(ctx context.Context, tp record.TopicPartition, cursors []*cursor) error {
	own := map[string]int64{}
	for _, c := range cursors {
		if err := c.folder(ctx, ledger.Folder(c.prefix, tp), func(o objectstore.Info) { own[o.Key] = o.Size }); err != nil {
			return err
		}
	}
	used := map[string]struct{}{}
	p := r.now.part(tp)
	found, err := r.examine(ctx, p, func(key string) (int64, bool, error) {
		used[key] = struct{}{}
		if size, ok := r.known(key, own); ok {
			return size, true, nil
		}
		if folder, _, ok := parse(key); ok && folder != tp {
			r.refs.foreign[key] = struct{}{}
			return sizeOf(ctx, r.c.Store, key)
		}
		return 0, false, nil
	})
	if err != nil {
		return err
	}
	if len(found) > 0 {
		r.again = append(r.again, suspect{tp, p.digest, found})
	}
	return r.leftover(ctx, tp, own, used)
}

// known gives the size of an object that was listed.
func (r *run) known(key string, own map[string]int64) (size int64, ok bool) {
	if size, ok = own[key]; ok {
		return size, true
	}
	id, _ := idOf(key)
	switch key {
	case ledger.SegmentKey(id):
		size, ok = r.listed.segments[id]
	case ledger.ObjectKey(ledger.InShared, record.TopicPartition{}, id):
		size, ok = r.listed.shared[id]
	}
	return size, ok
}

// doubtfulMax bounds the memory for objects that forks may refer to.
const doubtfulMax = 200_000

// leftover judges what lies in a folder and is not used by its partition.
func (r *run) leftover(ctx context.Context, tp record.TopicPartition, own map[string]int64, used map[string]struct{}) error {
	var kept map[string]struct{}
	for key, size := range own {
		if _, ok := used[key]; ok {
			continue
		}
		if kept == nil {
			var err error
			if kept, err = r.backups.named(ctx, r.archive, tp); err != nil {
				return err
			}
		}
		_, keep := kept[key]
		r.doubt(objectstore.Info{Key: key, Size: size}, keep)
	}
	return nil
}

func (r *run) doubt(o objectstore.Info, kept bool) {
	if _, ok := r.backups.refs.foreign[o.Key]; ok {
		kept = true
	}
	if len(r.doubtful) < doubtfulMax {
		r.doubtful = append(r.doubtful, doubtful{o, kept})
	} else {
		r.judge(o, kept)
	}
}

// stray is told of objects in folders of partitions that do not exist.
func (r *run) stray(o objectstore.Info) {
	tp, _, ok := parse(o.Key)
	if !ok {
		r.sums.add(ForeignName, o)
		return
	}
	_, kept := r.backups.folders[tp] // of a topic that was deleted since: everything, to be brief
	r.doubt(o, kept)
}
