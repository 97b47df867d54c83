package backup

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/record"
)

// Journal is the header of a journal object: it holds all changes of the revisions (From, Through].
type Journal struct {
	Version int                   `json:"version"`
	Cluster string                `json:"cluster"`
	Era     string                `json:"era"`
	From    coordination.Revision `json:"from"`
	Through coordination.Revision `json:"through"`
	// Stamp and Floor as of Through or later: what is at or below the floor was committed by then, or never will be.
	Stamp coordination.Mark `json:"stamp"`
	Floor coordination.Mark `json:"floor"`
	Keys  int64             `json:"keys"`
}

// position is how far the journal has come.
type position struct {
	era     string                // "" until it is known
	written coordination.Revision // through which the objects of this era go
	seen    coordination.Revision // through which the log was read; nothing new between written and seen
	starts  map[record.TopicPartition]record.Offset
}

const (
	// journalBytesMax cuts an object, before compression: a journal that was held up catches up in several.
	journalBytesMax = 8 << 20
	// progressEvery is how often progress of the watch is asked for: etcd drops the request silently at times.
	progressEvery = 20 * time.Millisecond
	// readMax bounds the reading of one object's changes.
	readMax = 30 * time.Second
)

// WriteJournal writes what is new since the last journal object, or nothing if nothing is. Where there is nothing to
// go on from, or etcd has compacted the way there, it takes a backup instead.
func (k *Keeper) WriteJournal(ctx context.Context) error {
	if err := k.enter(ctx); err != nil {
		return err
	}
	defer k.leave()
	n, err := k.look(ctx)
	if err != nil {
		return fmt.Errorf("write journal: %w", err)
	}
	if k.journal.era != n.era {
		if k.journal, err = k.locate(ctx, n); err != nil {
			return fmt.Errorf("find the end of the journal: %w", err)
		}
	}
	if k.journal.written > n.revision {
		return fmt.Errorf("write journal: etcd is at revision %d, journaled is %d of era %s: %w", n.revision, k.journal.written, n.era, ErrPast)
	}
	for k.journal.era != "" && k.journal.seen < n.revision {
		err := k.writeOne(ctx, n)
		switch {
		case errors.Is(err, coordination.ErrCompacted):
			k.Log.Warn("the journal has fallen behind etcd's history; a backup takes its place", "journaled", k.journal.written, "error", err)
			k.journal.era = ""
		case err != nil:
			return fmt.Errorf("write journal: %w", err)
		}
	}
	if k.journal.era == "" {
		root, err := k.take(ctx)
		if err != nil {
			return err
		}
		k.journal = position{era: root.Era, written: root.Revision, seen: root.Revision, starts: map[record.TopicPartition]record.Offset{}}
	}
	return nil
}

// locate finds where the journal of this era goes on: after its last object, so that older backups lead to its end too; without
// one, after the newest backup. Two writers may have overlapped, so that the last object by its id need not reach
// furthest: then what follows overlaps too. No era: there is nothing to go on from.
func (k *Keeper) locate(ctx context.Context, n now) (p position, err error) {
	names, err := Journals(ctx, k.Store, n.era)
	if err != nil {
		return p, err
	}
	starts := map[record.TopicPartition]record.Offset{}
	if len(names) > 0 {
		h, _, err := ReadJournal(ctx, k.Store, names[len(names)-1])
		if err = k.passOver(err); err != nil || h.Through == 0 {
			return p, err
		}
		return position{n.era, h.Through, h.Through, starts}, nil
	}
	root, ok, err := k.newest(ctx, n.era)
	if err != nil || !ok {
		return p, err
	}
	return position{n.era, root.Revision, root.Revision, starts}, nil
}

// newest gives the newest backup, if it is of this era.
func (k *Keeper) newest(ctx context.Context, era string) (root Root, ok bool, err error) {
	roots, err := Roots(ctx, k.Store)
	if err != nil {
		return root, false, err
	}
	for _, id := range slices.Backward(roots) {
		root, err := ReadRoot(ctx, k.Store, id)
		if err == nil {
			return root, root.Era == era && root.Cluster == k.Cluster, nil
		}
		if err = k.passOver(err); err != nil {
			return root, false, err
		}
	}
	return root, false, nil
}

// writeOne reads what is new up to n, or up to where an object is full, and writes it.
func (k *Keeper) writeOne(ctx context.Context, n now) error {
	c := &changes{k: k, through: k.journal.seen, starts: map[record.TopicPartition]record.Offset{}, born: map[record.TopicID]coordination.Revision{}}
	if err := k.read(ctx, n.revision, c); err != nil {
		return err
	}
	entries, count := c.encode()
	if count > 0 {
		if err := k.still(ctx, n); err != nil {
			return err
		}
		id, err := k.newID(n.stamp)
		if err != nil {
			return err
		}
		h := Journal{Version: version, Cluster: k.Cluster, Era: n.era, From: k.journal.written, Through: c.through, Stamp: n.stamp, Floor: n.floor, Keys: count}
		object, err := seal(magicJournal, h, entries)
		if err == nil {
			err = k.put(ctx, JournalKey(n.era, id), object)
		}
		if err != nil {
			return err
		}
		k.journal.written = c.through
	}
	k.journal.seen = c.through
	for tp, start := range c.starts {
		k.journal.starts[tp] = start
	}
	return nil
}

// read watches from what was seen on, until c holds everything up to revision to, or is full.
func (k *Keeper) read(ctx context.Context, to coordination.Revision, c *changes) error {
	ctx, cancel := context.WithTimeout(ctx, readMax)
	defer cancel()
	w, err := k.KV.Watch(ctx, k.keys.Root(), k.journal.seen+1)
	if err != nil {
		return fmt.Errorf("open watch: %w", err)
	}
	ask := time.NewTicker(progressEvery)
	defer ask.Stop()
	for c.through < to && c.size < journalBytesMax {
		select {
		case u, ok := <-w.Updates():
			if !ok {
				return fmt.Errorf("watch closed: %w", coordination.ErrUnavailable)
			}
			if u.Err != nil {
				return fmt.Errorf("watch: %w", u.Err)
			}
			for i := range u.Events {
				if err := c.add(&u.Events[i]); err != nil {
					return err
				}
			}
			c.through = max(c.through, u.Revision)
		case <-ask.C:
			_ = w.RequestProgress(ctx) // dropped or failed: asked again
		}
	}
	return nil
}

// changes are what one journal object will hold.
type changes struct {
	k       *Keeper
	through coordination.Revision
	entries []Entry
	size    int
	starts  map[record.TopicPartition]record.Offset
	born    map[record.TopicID]coordination.Revision // topics that were made
}

// add takes an event, if it is one that the journal keeps.
func (c *changes) add(e *coordination.Event) error {
	key := strings.TrimPrefix(e.Key, c.k.keys.Root())
	if IsLeased(key) {
		return nil
	}
	entry := Entry{Key: key, Value: e.Value, Create: e.Create, Mod: e.Revision, Deleted: e.IsDelete()}
	switch parsed := c.k.keys.ParseLog(e.Key); parsed.Family {
	case coordination.FamilyStamp, coordination.FamilyFloor, coordination.FamilyFormat:
		return nil
	case coordination.FamilyCommit:
		if !e.IsCreate() || len(e.Value) == 0 {
			return nil
		}
	case coordination.FamilyHead:
		if c.born[parsed.Topic] == e.Revision && !e.IsDelete() {
			break // made with its topic, a fork: no commit says what is in it
		}
		h, err := c.logStart(parsed, e)
		if err != nil || h == nil {
			return err
		}
		entry.Value = h.Encode()
	case coordination.FamilyTopic:
		if e.IsCreate() {
			t, err := ledger.DecodeTopic(parsed.Name, e.Value, e.Revision)
			if err != nil {
				return err
			}
			c.born[t.ID] = e.Revision
		}
	case coordination.FamilyOther:
	}
	c.entries = append(c.entries, entry)
	c.size += len(entry.Key) + len(entry.Value)
	return nil
}

// logStart gives the head that the journal keeps of one: its log start, if that is news.
func (c *changes) logStart(key coordination.LogKey, e *coordination.Event) (*ledger.Head, error) {
	if e.IsDelete() {
		return nil, nil // goes with its topic
	}
	h, err := ledger.DecodeHead(e.Value)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", e.Key, err)
	}
	tp := headOf(key)
	if h.LogStart <= max(c.k.journal.starts[tp], c.starts[tp]) {
		return nil, nil
	}
	c.starts[tp] = h.LogStart
	return &ledger.Head{LogStart: h.LogStart, Next: h.LogStart}, nil
}

// encode gives the entries in order: of keys that are neither commits nor topics only the last one.
func (c *changes) encode() (b []byte, count int64) {
	last := map[string]int{}
	for i := range c.entries {
		last[c.entries[i].Key] = i
	}
	mod := coordination.Revision(0)
	for i := range c.entries {
		e := &c.entries[i]
		if !strings.HasPrefix(e.Key, "log/") && last[e.Key] != i {
			continue
		}
		b = appendEntry(b, e, mod)
		mod = e.Mod
		count++
	}
	return b, count
}
