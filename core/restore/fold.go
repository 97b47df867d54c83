package restore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/oklog/ulid/v2"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/backup"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/objectstore"
)

// errUnreadable: this backup is damaged or not whole; another may do.
var errUnreadable = errors.New("backup cannot be read")

// state is a cluster as it was at revision through of its old etcd.
type state struct {
	root    backup.Root
	ledger  *ledger.Ledger
	version int // of the format that was in force
	since   coordination.Mark
	through coordination.Revision
	stamp   coordination.Mark
	floor   coordination.Mark // what is at or below it was committed by through, or never
	others  map[string][]byte // keys that are not below log/, relative to the root
	starts  map[record.TopicPartition]record.Offset
	named   map[ulid.ULID]bool // segments that a commit names: what became of them is decided
	deleted map[record.TopicID]bool
	born    map[record.TopicID]coordination.Revision // topics that the journal saw made
}

// load folds one backup, and the journal after it.
func (r *Restore) load(ctx context.Context, id ulid.ULID) (*state, error) {
	root, err := backup.ReadRoot(ctx, r.Store, id)
	if err != nil {
		return nil, unreadable(err)
	}
	format, err := ledger.DecodeFormat([]byte(root.Format))
	if err != nil {
		return nil, fmt.Errorf("backup %s: %w", id, err)
	}
	st := &state{root: root, version: format.Version, since: format.Since, through: root.Revision, stamp: root.Stamp, floor: root.Floor, others: map[string][]byte{},
		starts: map[record.TopicPartition]record.Offset{}, named: map[ulid.ULID]bool{}, deleted: map[record.TopicID]bool{}, born: map[record.TopicID]coordination.Revision{}}
	loader := ledger.NewLoader(r.keys)
	done := 0
	err = root.Each(ctx, r.Store, func(e backup.Entry) error {
		if done++; done%1000 == 0 {
			r.Progress("keys of the backup read", done, int(root.Keys))
		}
		if !strings.HasPrefix(e.Key, "log/") {
			st.others[e.Key] = e.Value
			return nil
		}
		it := coordination.Item{Key: r.keys.Root() + e.Key, Value: e.Value, Create: e.Create, Mod: e.Mod}
		if err := r.name(st, e); err != nil {
			return err
		}
		return loader.Add([]coordination.Item{it})
	})
	if err != nil {
		return nil, unreadable(err)
	}
	if st.ledger, err = loader.Done(root.Revision, ledger.Observer{}); err != nil {
		return nil, fmt.Errorf("fold backup %s: %w", id, err)
	}
	if r.Journal {
		if err := r.foldJournal(ctx, st); err != nil {
			return nil, err
		}
	}
	return st, nil
}

// unreadable sorts out what another backup may do better at.
func unreadable(err error) error {
	if errors.Is(err, backup.ErrCorrupt) || errors.Is(err, objectstore.ErrNotFound) {
		return fmt.Errorf("%w: %w", errUnreadable, err)
	}
	return err
}

// name notes the segments of a commit. Of one that was emptied at least the first is known: it gave the commit its id.
func (r *Restore) name(st *state, e backup.Entry) error {
	key := r.keys.ParseLog(r.keys.Root() + e.Key)
	if key.Family != coordination.FamilyCommit {
		return nil
	}
	st.named[key.ID] = true
	if len(e.Value) == 0 {
		return nil
	}
	c, err := ledger.DecodeCommit(e.Value)
	if err != nil {
		return fmt.Errorf("%s: %w", e.Key, err)
	}
	for _, s := range c.Segments {
		st.named[s.ID] = true
	}
	return nil
}

// journalObject is one that was read.
type journalObject struct {
	backup.Journal
	id      ulid.ULID
	entries []backup.Entry
}

// foldJournal folds what follows the backup without a gap. Objects from before the backup are read as well: they name
// segments that heads do not refer to any more and that must not be put back.
func (r *Restore) foldJournal(ctx context.Context, st *state) error {
	names, err := backup.Journals(ctx, r.Store, st.root.Era)
	if err != nil {
		return err
	}
	var after []journalObject
	for i, n := range names {
		r.Progress("journal objects read", i+1, len(names))
		h, entries, err := backup.ReadJournal(ctx, r.Store, n)
		if err = unreadable(err); errors.Is(err, errUnreadable) {
			r.Log.Warn("journal object passed over", "error", err)
			continue
		}
		if err != nil {
			return err
		}
		if h.Through > st.root.Revision {
			after = append(after, journalObject{h, n.ID, entries})
			continue
		}
		for _, e := range entries {
			if err := r.name(st, e); err != nil {
				return err
			}
		}
	}
	slices.SortStableFunc(after, func(a, b journalObject) int {
		return cmp.Or(cmp.Compare(a.From, b.From), cmp.Compare(a.Through, b.Through))
	})
	for i := range after {
		if o := &after[i]; o.From > st.through {
			r.Report.Gap = fmt.Sprintf("the journal goes up to revision %d and continues at %d with object %s", st.through, o.From, o.id)
			return nil
		}
		if err := r.foldObject(st, &after[i]); err != nil {
			return fmt.Errorf("journal %s: %w", after[i].id, err)
		}
	}
	return nil
}

// foldObject folds the revisions that are new, each as a whole.
func (r *Restore) foldObject(st *state, o *journalObject) error {
	if o.Through <= st.through {
		return nil
	}
	r.Report.JournalObjects++
	var events []coordination.Event
	for i := range o.entries {
		e := &o.entries[i]
		if err := r.name(st, *e); err != nil {
			return err
		}
		if e.Mod <= st.through {
			continue
		}
		if n := len(events); n > 0 && events[n-1].Revision != e.Mod {
			if err := st.ledger.Apply(events[0].Revision, events, st.observer()); err != nil {
				return err
			}
			events = nil
		}
		event, err := r.event(st, e)
		if err != nil {
			return err
		}
		if event != nil {
			events = append(events, *event)
		}
	}
	if len(events) > 0 {
		if err := st.ledger.Apply(events[0].Revision, events, st.observer()); err != nil {
			return err
		}
	}
	st.ledger.Progress(o.Through)
	st.through, st.stamp, st.floor = o.Through, max(st.stamp, o.Stamp), max(st.floor, o.Floor)
	return nil
}

func (st *state) observer() ledger.Observer {
	return ledger.Observer{TopicGone: func(t *ledger.Topic) { st.deleted[t.ID] = true }}
}

// event gives what the fold is to see of an entry; nil: nothing, it is kept aside.
func (r *Restore) event(st *state, e *backup.Entry) (*coordination.Event, error) {
	key := r.keys.ParseLog(r.keys.Root() + e.Key)
	switch {
	case !strings.HasPrefix(e.Key, "log/"):
		if delete(st.others, e.Key); !e.Deleted {
			st.others[e.Key] = e.Value
		}
		return nil, nil
	case key.Family == coordination.FamilyTopic && !e.Deleted && e.Create == e.Mod:
		t, err := ledger.DecodeTopic(key.Name, e.Value, e.Mod)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", e.Key, err)
		}
		st.born[t.ID] = e.Mod
	case key.Family == coordination.FamilyHead && st.born[key.Topic] == e.Mod:
		// A fork: its topic and all of its heads came in one transaction, and the journal has them whole.
	case key.Family == coordination.FamilyHead:
		h, err := ledger.DecodeHead(e.Value)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", e.Key, err)
		}
		tp := record.TopicPartition{Topic: key.Topic, Partition: key.Partition}
		st.starts[tp] = max(st.starts[tp], h.LogStart)
		return nil, nil
	}
	event := &coordination.Event{Key: r.keys.Root() + e.Key, Value: e.Value, Create: e.Create, Revision: e.Mod}
	if e.Deleted {
		event.Value, event.Create = nil, 0
	}
	return event, nil
}

// missing lists what partitions refer to and the bucket does not have.
func (r *Restore) missing(st *state) (out []Missing) {
	st.ledger.EachPartition(func(tp record.TopicPartition, p *ledger.Partition) {
		start := max(p.LogStart(), st.starts[tp])
		look := func(key string, base, end record.Offset) {
			if _, there := r.bucket.objects[key]; !there && key != "" && end > start {
				out = append(out, Missing{Topic: topicName(st.ledger, tp.Topic), Partition: tp.Partition, Object: key, From: max(base, start), To: end})
			}
		}
		if m := p.Manifest(); m != nil {
			look(m.Key(tp), m.Base, m.End)
		}
		h := p.Head(0)
		for i := range h.Spans {
			look(h.Spans[i].Key(tp), h.Spans[i].Base, h.Spans[i].End)
		}
	})
	slices.SortFunc(out, func(a, b Missing) int {
		return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition), cmp.Compare(a.From, b.From))
	})
	return out
}

func topicName(l *ledger.Ledger, id record.TopicID) string {
	if t, ok := l.TopicByID(id); ok {
		return t.Name
	}
	return id.String()
}
