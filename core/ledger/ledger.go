package ledger

import (
	"bytes"
	"errors"
	"fmt"
	"sort"

	"github.com/oklog/ulid/v2"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/rule"
)

// Ledger is the state of a whole cluster's log as of one revision.
type Ledger struct {
	keys        coordination.Keys
	rev         coordination.Revision
	format      Format
	formatValue []byte
	stamp       coordination.Mark
	floor       coordination.Mark
	byName      map[string]*Topic
	byID        map[record.TopicID]*Topic
	partitions  map[record.TopicPartition]*Partition
	dirty       map[record.TopicPartition]*Partition // those with commits that their head does not cover
	scratch     []Outcome
	late        []coordination.Event // topic events held back (only without rule TopicsInStream)
	partial     *partial             // nil: all partitions are folded
}

// Observer is told what a fold did. Its functions may be nil.
type Observer struct {
	// Commit is called for each commit folded; outcomes[i][k] belongs to
	// c.Runs[i].Entries[k] and is valid during the call alone.
	Commit func(id ulid.ULID, rev coordination.Revision, c *Commit, outcomes [][]Outcome)
	// Touched is called for each partition with news, perhaps more than once.
	Touched func(tp record.TopicPartition)
	// TopicGone is called when a topic was deleted.
	TopicGone func(t *Topic)
}

// Revision up to which the stream is folded.
func (l *Ledger) Revision() coordination.Revision { return l.rev }

// FormatValue is the value of log/format, for guards.
func (l *Ledger) FormatValue() []byte { return l.formatValue }

// Era of the cluster.
func (l *Ledger) Era() string { return l.format.Era }

// Stamp as of the ledger's revision.
func (l *Ledger) Stamp() coordination.Mark { return l.stamp }

// Floor as of the ledger's revision.
func (l *Ledger) Floor() coordination.Mark { return l.floor }

// TopicByName finds a topic that is alive.
func (l *Ledger) TopicByName(name string) (*Topic, bool) {
	t, ok := l.byName[name]
	return t, ok && l.shows(t)
}

// TopicByID finds a topic that is alive.
func (l *Ledger) TopicByID(id record.TopicID) (*Topic, bool) {
	t, ok := l.byID[id]
	return t, ok && l.shows(t)
}

// Topics lists all topics by name.
func (l *Ledger) Topics() []*Topic {
	out := make([]*Topic, 0, len(l.byName))
	for _, t := range l.byName {
		if l.shows(t) {
			out = append(out, t)
		}
	}
	sort.Slice(out, func(i, k int) bool { return out[i].Name < out[k].Name })
	return out
}

// Has says whether a partition exists. A partial ledger has those only that were read since it was asked anew.
func (l *Ledger) Has(tp record.TopicPartition) bool {
	t, ok := l.TopicByID(tp.Topic)
	return ok && t.Has(tp.Partition) && (l.partial == nil || l.partial.fresh[tp])
}

// Partition gives the state of a partition; an empty one where nothing was written. It must not be kept beyond
// the caller's hold on the ledger.
func (l *Ledger) Partition(tp record.TopicPartition) *Partition {
	if p := l.partitions[tp]; p != nil {
		return p
	}
	return &Partition{name: tp}
}

// EachPartition calls fn for every partition with state, in no particular order.
func (l *Ledger) EachPartition(fn func(tp record.TopicPartition, p *Partition)) {
	for tp, p := range l.partitions {
		fn(tp, p)
	}
}

// EachDirty calls fn for every partition with commits that its head does not cover, in no particular order.
func (l *Ledger) EachDirty(fn func(tp record.TopicPartition, p *Partition)) {
	for tp, p := range l.dirty {
		fn(tp, p)
	}
}

// CoveredThrough is a revision up to which every commit is covered by the heads of all partitions
// that it names. It may be too low, never too high. A topic that is gone counts as covered.
func (l *Ledger) CoveredThrough() coordination.Revision {
	if !rule.On(rule.TrimAllHeads) {
		return l.coveredSomewhere()
	}
	through := l.rev
	for _, p := range l.dirty {
		through = min(through, p.dirty-1)
	}
	return through
}

// coveredSomewhere is what the furthest head covers (only without rule TrimAllHeads).
func (l *Ledger) coveredSomewhere() (through coordination.Revision) {
	for _, p := range l.partitions {
		through = max(through, p.asOf)
	}
	return through
}

// touch notes that a commit names the partition.
func (l *Ledger) touch(p *Partition, rev coordination.Revision) {
	if p.dirty == 0 {
		p.dirty = rev
		l.dirty[p.name] = p
	}
	p.touched = rev
}

// Apply folds the events of one revision. An error means that this ledger is of
// no use any more: ErrFormat (stop serving) or ErrEra (begin anew).
func (l *Ledger) Apply(rev coordination.Revision, events []coordination.Event, obs Observer) error {
	if rev <= l.rev {
		return fmt.Errorf("apply revision %d after %d", rev, l.rev)
	}
	if !rule.On(rule.TopicsInStream) {
		l.applyLate(rev, obs)
	}
	for i := range events {
		if err := l.event(rev, &events[i], obs); err != nil {
			return fmt.Errorf("revision %d: %w", rev, err)
		}
	}
	l.rev = rev
	return nil
}

// Progress says that nothing happened up to rev.
func (l *Ledger) Progress(rev coordination.Revision) { l.rev = max(l.rev, rev) }

func (l *Ledger) event(rev coordination.Revision, e *coordination.Event, obs Observer) error {
	key := l.keys.ParseLog(e.Key)
	switch key.Family {
	case coordination.FamilyFormat:
		if !bytes.Equal(e.Value, l.formatValue) {
			if _, err := DecodeFormat(e.Value); err != nil {
				return err
			}
			return ErrEra
		}
	case coordination.FamilyStamp, coordination.FamilyFloor:
		return l.mark(key.Family, e.Value)
	case coordination.FamilyTopic:
		if !rule.On(rule.TopicsInStream) {
			l.late = append(l.late, *e)
			return nil
		}
		return l.topic(key.Name, e, obs)
	case coordination.FamilyCommit:
		if !e.IsCreate() {
			return nil // emptied or trimmed: the fold took it when it was created
		}
		return l.commit(key.ID, rev, e.Value, obs)
	case coordination.FamilyHead:
		return l.head(record.TopicPartition{Topic: key.Topic, Partition: key.Partition}, e)
	case coordination.FamilyOther:
		return fmt.Errorf("key %q: %w", e.Key, ErrFormat)
	}
	return nil
}

func (l *Ledger) mark(family coordination.Family, value []byte) error {
	m, err := coordination.ParseMark(value)
	if err != nil {
		return err
	}
	if family == coordination.FamilyStamp {
		l.stamp = m
	} else {
		l.floor = m
	}
	return nil
}

func (l *Ledger) topic(name string, e *coordination.Event, obs Observer) error {
	old := l.byName[name]
	var t *Topic
	if !e.IsDelete() {
		var err error
		if t, err = DecodeTopic(name, e.Value, e.Revision); err != nil {
			return err
		}
	}
	if old != nil && (t == nil || t.ID != old.ID) {
		delete(l.byName, name)
		delete(l.byID, old.ID)
		for i := range old.Partitions {
			delete(l.partitions, record.TopicPartition{Topic: old.ID, Partition: i})
			delete(l.dirty, record.TopicPartition{Topic: old.ID, Partition: i})
		}
		if obs.TopicGone != nil {
			obs.TopicGone(old)
		}
	}
	if t != nil {
		l.byName[name], l.byID[t.ID] = t, t
	}
	return nil
}

func (l *Ledger) head(tp record.TopicPartition, e *coordination.Event) error {
	if e.IsDelete() {
		return nil // goes with its topic
	}
	h, err := DecodeHead(e.Value)
	if err != nil {
		return fmt.Errorf("head of %v/%d: %w", tp.Topic, tp.Partition, err)
	}
	if t, alive := l.byID[tp.Topic]; alive {
		if l.partitions[tp] == nil && t.Mod == e.Revision {
			l.partitions[tp] = h.partition(tp, e.Revision) // made with its topic: a fork begins with the whole state
			return nil
		}
		p := l.grow(tp)
		if p.refer(h, e.Revision); p.dirty == 0 {
			delete(l.dirty, tp)
		}
	}
	return nil
}

func (l *Ledger) grow(tp record.TopicPartition) *Partition {
	p := l.partitions[tp]
	if p == nil {
		p = &Partition{name: tp}
		l.partitions[tp] = p
	}
	return p
}

// commit folds one commit. A run is refused for its topic only if the topic was
// deleted earlier in the stream: writers name a partition only after they saw
// it there, so a topic that is not alive is one that was deleted.
func (l *Ledger) commit(id ulid.ULID, rev coordination.Revision, value []byte, obs Observer) error {
	c, err := DecodeCommit(value)
	if errors.Is(err, ErrFormat) && !rule.On(rule.FormatStops) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("commit %s: %w", id, err)
	}
	total := 0
	for i := range c.Runs {
		total += len(c.Runs[i].Entries)
	}
	if cap(l.scratch) < total {
		l.scratch = make([]Outcome, total)
	}
	flat := l.scratch[:total]
	var outcomes [][]Outcome
	spoiled := false // only without rule PartitionAlone
	for i := range c.Runs {
		run := &c.Runs[i]
		out := flat[:len(run.Entries):len(run.Entries)]
		flat = flat[len(run.Entries):]
		if spoiled {
			fill(out, OutOfOrder)
		} else {
			l.run(run, c.Segments[run.Segment].ID, rev, out)
		}
		spoiled = !rule.On(rule.PartitionAlone) && (spoiled || anyRefused(out))
		if obs.Touched != nil {
			obs.Touched(run.Partition)
		}
		if obs.Commit != nil {
			outcomes = append(outcomes, out)
		}
	}
	for i := range c.Markers {
		l.marker(&c.Markers[i], rev, obs)
	}
	for _, x := range c.Expiries {
		if p := l.partitions[x.Partition]; p != nil && p.asOf < rev && l.takes(x.Partition, rev) {
			p.expire(x.Producer, x.Revision)
			l.touch(p, rev)
		}
	}
	if obs.Commit != nil {
		obs.Commit(id, rev, c, outcomes)
	}
	return nil
}

func (l *Ledger) run(run *Run, segment ulid.ULID, rev coordination.Revision, out []Outcome) {
	alive := l.byID[run.Partition.Topic] != nil
	if !rule.On(rule.TopicsInStream) {
		alive = l.Has(run.Partition)
	}
	if !alive {
		fill(out, NoTopic)
		return
	}
	if !l.takes(run.Partition, rev) {
		fill(out, Covered)
		return
	}
	p := l.grow(run.Partition)
	if p.asOf >= rev {
		fill(out, Covered)
		return
	}
	l.touch(p, rev)
	p.fold(run, segment, rev, out)
}

// marker folds a marker at each of its partitions, but where the head is past it or the topic is gone.
func (l *Ledger) marker(m *Marker, rev coordination.Revision, obs Observer) {
	for _, tp := range m.Partitions {
		if l.byID[tp.Topic] == nil || !l.takes(tp, rev) {
			continue
		}
		p := l.grow(tp)
		if p.asOf >= rev {
			continue
		}
		l.touch(p, rev)
		p.mark(m, rev)
		if obs.Touched != nil {
			obs.Touched(tp)
		}
	}
}
