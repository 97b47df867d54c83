package ledger

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/record"
)

// A partial ledger is of some partitions alone, for who reads the log now and then instead of following it. Each read brings, as
// of one revision, the heads of the partitions that are looked at, and the commits created since these were last folded:
//
//	head of p as of 90, memory of p through 120, commits after 120   ─►   memory, with the head's references, and the commits
//	head of p as of 150, memory of p through 120, commits after 120  ─►   the head, and the commits after 150
//	head of p as of 150, no memory, all commits                      ─►   the head, and the commits after 150
//
// A commit that the read does not have is emptied or trimmed, so that every head covers it: nothing is missed. Whatever
// memory there is of other partitions stays as it was, and is of use the next time they are read.

// partial is what a partial ledger knows about itself.
type partial struct {
	through map[record.TopicPartition]coordination.Revision // what each partition in memory is folded through
	wanted  map[record.TopicPartition]bool                  // what the read that is being folded is about
	// What was read since Renew. The rest is memory only, which may be long out of date.
	fresh  map[record.TopicPartition]bool
	topics map[record.TopicID]bool
}

// Reading is what one read of the log brought.
type Reading struct {
	Revision coordination.Revision
	// Marks holds log/format, log/floor and log/stamp.
	Marks []coordination.Item
	// Topics were asked for by name; one that is not there has Create 0. AllTopics: those that are not listed are gone.
	Topics    []coordination.Item
	AllTopics bool
	// Partitions were asked for, Heads[i] is that of Partitions[i]; Create 0: there is none.
	Partitions []record.TopicPartition
	Heads      []coordination.Item
	// Since: all commits created after this revision are in Commits, but those that every head covers.
	Since   coordination.Revision
	Commits []coordination.Item
}

// NewPartial makes a partial ledger that knows nothing yet.
func NewPartial(keys coordination.Keys) *Ledger {
	l := NewLoader(keys).l
	l.partial = &partial{through: map[record.TopicPartition]coordination.Revision{}}
	l.Renew()
	return l
}

// Renew takes all that is known for memory: nothing is shown before it has been read anew.
func (l *Ledger) Renew() {
	l.partial.fresh, l.partial.topics = map[record.TopicPartition]bool{}, map[record.TopicID]bool{}
}

// Since is the revision that commits must be read after so that these partitions can be brought up to date.
func (l *Ledger) Since(partitions []record.TopicPartition) coordination.Revision {
	since := l.rev
	for _, tp := range partitions {
		since = min(since, l.partial.through[tp])
	}
	return since
}

// Remembered gives a topic's id from memory, which may be out of date.
func (l *Ledger) Remembered(name string) (*Topic, bool) {
	t, ok := l.byName[name]
	return t, ok
}

// shows says whether a topic may be seen.
func (l *Ledger) shows(t *Topic) bool { return l.partial == nil || l.partial.topics[t.ID] }

// takes says whether a record of this revision is to be folded into a partition.
func (l *Ledger) takes(tp record.TopicPartition, rev coordination.Revision) bool {
	return l.partial == nil || l.partial.wanted[tp] && l.partial.through[tp] < rev
}

// Read brings a partial ledger up to date in what was read. An error means that this ledger is of no use any more: ErrFormat,
// ErrNoCluster, or ErrEra.
func (l *Ledger) Read(r *Reading, obs Observer) error {
	if r.Revision < l.rev {
		return fmt.Errorf("read at revision %d, after one at %d: %w", r.Revision, l.rev, ErrEra)
	}
	if err := l.readMarks(r.Marks); err != nil {
		return err
	}
	if err := l.readTopics(r, obs); err != nil {
		return err
	}
	l.partial.wanted = make(map[record.TopicPartition]bool, len(r.Partitions))
	for i, tp := range r.Partitions {
		if err := l.readHead(tp, &r.Heads[i], r.Since); err != nil {
			return err
		}
	}
	commits := slices.DeleteFunc(slices.Clone(r.Commits), func(it coordination.Item) bool { return len(it.Value) == 0 })
	slices.SortFunc(commits, func(a, b coordination.Item) int { return cmp.Compare(a.Create, b.Create) })
	for _, it := range commits {
		if err := l.commit(l.keys.ParseLog(it.Key).ID, it.Create, it.Value, obs); err != nil {
			return err
		}
	}
	for tp := range l.partial.wanted {
		l.partial.through[tp], l.partial.fresh[tp] = r.Revision, true
	}
	l.rev = r.Revision
	return nil
}

func (l *Ledger) readMarks(items []coordination.Item) error {
	for _, it := range items {
		switch family := l.keys.ParseLog(it.Key).Family; {
		case it.Create == 0:
			return ErrNoCluster
		case family != coordination.FamilyFormat:
			if err := l.mark(family, it.Value); err != nil {
				return err
			}
		case l.formatValue == nil:
			f, err := DecodeFormat(it.Value)
			if err != nil {
				return err
			}
			l.format, l.formatValue = f, bytes.Clone(it.Value)
		case !bytes.Equal(it.Value, l.formatValue):
			return ErrEra
		}
	}
	return nil
}

func (l *Ledger) readTopics(r *Reading, obs Observer) error {
	listed := map[string]bool{}
	for i := range r.Topics {
		it := &r.Topics[i]
		name := l.keys.ParseLog(it.Key).Name
		listed[name] = true
		e := coordination.Event{Key: it.Key, Revision: it.Mod}
		if it.Create != 0 {
			e.Value = it.Value
		}
		if err := l.readTopic(name, &e, obs); err != nil {
			return err
		}
	}
	if !r.AllTopics {
		return nil
	}
	for name := range l.byName {
		if !listed[name] {
			if err := l.readTopic(name, &coordination.Event{}, obs); err != nil {
				return err
			}
		}
	}
	return nil
}

func (l *Ledger) readTopic(name string, e *coordination.Event, obs Observer) error {
	old := l.byName[name]
	if err := l.topic(name, e, obs); err != nil {
		return err
	}
	now := l.byName[name]
	if now != nil {
		l.partial.topics[now.ID] = true
	}
	if old != nil && (now == nil || now.ID != old.ID) {
		for i := range old.Partitions {
			delete(l.partial.through, record.TopicPartition{Topic: old.ID, Partition: i})
		}
	}
	return nil
}

// readHead makes a partition's state the newer of its head and what is in memory.
func (l *Ledger) readHead(tp record.TopicPartition, it *coordination.Item, since coordination.Revision) error {
	if t := l.byID[tp.Topic]; t == nil || !t.Has(tp.Partition) {
		return nil // gone with its topic
	}
	through := l.partial.through[tp]
	if through < since {
		return fmt.Errorf("partition %v/%d is folded through revision %d, and commits were read after %d: %w", tp.Topic, tp.Partition, through, since, ErrEra)
	}
	l.partial.wanted[tp] = true
	if it.Create == 0 {
		return nil
	}
	h, err := DecodeHead(it.Value)
	if err != nil {
		return fmt.Errorf("head of %v/%d: %w", tp.Topic, tp.Partition, err)
	}
	p := l.partitions[tp]
	switch {
	case h.AsOf > through || p == nil:
		l.partitions[tp] = h.partition(tp, it.Mod)
		delete(l.dirty, tp)
		l.partial.through[tp] = max(through, h.AsOf)
	case p.headMod != it.Mod:
		if p.refer(h, it.Mod); p.dirty == 0 {
			delete(l.dirty, tp)
		}
	}
	return nil
}
