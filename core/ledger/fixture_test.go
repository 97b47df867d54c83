package ledger

import (
	"testing"

	"github.com/oklog/ulid/v2"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/record"
)

var (
	keys   = coordination.NewKeys("test")
	topicA = record.TopicID{0xa}
	topicB = record.TopicID{0xb}
)

func part(topic record.TopicID, n int32) record.TopicPartition {
	return record.TopicPartition{Topic: topic, Partition: n}
}

func id(n int) (u ulid.ULID) {
	_ = u.SetTime(uint64(1000 + n))
	u[15] = byte(n)
	return u
}

// batch is an idempotent entry of n records from sequence first.
func batch(producer record.ProducerID, epoch record.Epoch, first int32, n int64) Entry {
	return Entry{Records: n, Bytes: 100 * n, MaxTimestamp: 5000, Producer: producer, Epoch: epoch, Sequence: first}
}

// inTxn makes an entry one of a transaction.
func inTxn(serial int64, e Entry) Entry {
	e.Serial = serial
	return e
}

// mark commits a marker for some partitions.
func (w *world) mark(m Marker, tps ...record.TopicPartition) {
	m.Partitions = tps
	w.commit(&Commit{Markers: []Marker{m}})
}

func plain(n int64) Entry {
	return Entry{Records: n, Bytes: 100 * n, MaxTimestamp: 5000, Producer: record.NoProducer}
}

// world is a log in etcd's shape: it keeps keys with revisions, and one ledger that follows live.
type world struct {
	t     testing.TB
	rev   coordination.Revision
	items map[string]coordination.Item
	live  *Ledger
	// outcomes of the newest commit, as the live ledger decided
	outcomes [][]Outcome
}

func newWorld(t testing.TB) *world {
	w := &world{t: t, rev: 1, items: map[string]coordination.Item{}}
	_, changes := Creation(keys, Format{Version: FormatVersion, Era: "era"}, 10)
	w.rev++
	for _, c := range changes {
		w.items[c.Key] = coordination.Item{Key: c.Key, Value: c.Value, Create: w.rev, Mod: w.rev}
	}
	w.live = w.bootstrap()
	return w
}

// bootstrap reads all keys as they stand now.
func (w *world) bootstrap() *Ledger {
	loader := NewLoader(keys)
	items := make([]coordination.Item, 0, len(w.items))
	for _, it := range w.items { // in no order: a loader must not need one
		items = append(items, it)
	}
	if err := loader.Add(items); err != nil {
		w.t.Fatalf("load: %v", err)
	}
	l, err := loader.Done(w.rev, Observer{})
	if err != nil {
		w.t.Fatalf("bootstrap: %v", err)
	}
	return l
}

// change applies changes as one revision and lets the live ledger fold it.
func (w *world) change(changes ...coordination.Change) coordination.Revision {
	w.rev++
	var events []coordination.Event
	for _, c := range changes {
		switch {
		case c.Prefix:
			for key := range w.items {
				if len(key) >= len(c.Key) && key[:len(c.Key)] == c.Key {
					delete(w.items, key)
					events = append(events, coordination.Event{Key: key, Revision: w.rev})
				}
			}
		case c.Value == nil:
			delete(w.items, c.Key)
			events = append(events, coordination.Event{Key: c.Key, Revision: w.rev})
		default:
			create := w.rev
			if old, ok := w.items[c.Key]; ok {
				create = old.Create
			}
			w.items[c.Key] = coordination.Item{Key: c.Key, Value: c.Value, Create: create, Mod: w.rev}
			events = append(events, coordination.Event{Key: c.Key, Value: c.Value, Create: create, Revision: w.rev})
		}
	}
	obs := Observer{Commit: func(_ ulid.ULID, _ coordination.Revision, _ *Commit, out [][]Outcome) {
		w.outcomes = nil
		for _, o := range out {
			w.outcomes = append(w.outcomes, append([]Outcome(nil), o...))
		}
	}}
	if err := w.live.Apply(w.rev, events, obs); err != nil {
		w.t.Fatalf("apply: %v", err)
	}
	return w.rev
}

func (w *world) createTopic(name string, topic record.TopicID, partitions int32) {
	t := Topic{Name: name, ID: topic, Partitions: partitions}
	w.change(coordination.PutKey(keys.Topic(name), t.Encode()))
}

func (w *world) deleteTopic(name string, topic record.TopicID) {
	w.change(coordination.DeleteKey(keys.Topic(name)), coordination.DeletePrefix(keys.TopicHeads(topic)))
}

// append commits one run of one partition and gives the outcome of each entry.
func (w *world) append(tp record.TopicPartition, entries ...Entry) []Outcome {
	n := int(w.rev)
	c := &Commit{Segments: []SegmentRef{{id(n), 1 << 20}}, Runs: []Run{{Partition: tp, Position: 8, Entries: entries}}}
	w.commit(c)
	return w.outcomes[0]
}

func (w *world) commit(c *Commit) coordination.Revision {
	return w.change(coordination.PutKey(keys.Commit(id(int(w.rev))), c.Encode()))
}

// checkpoint writes the head of a partition as of a revision at which a ledger stood.
func (w *world) checkpoint(l *Ledger, tp record.TopicPartition) {
	w.change(coordination.PutKey(keys.Head(tp.Topic, tp.Partition), l.Partition(tp).Head(l.Revision()).Encode()))
}
