package ledger

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"sort"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/record"
)

// ErrNoCluster: there is no log/format yet.
var ErrNoCluster = errors.New("no cluster here yet")

// Loader builds a ledger from all keys below log/ as they stood at one revision,
// page by page in key order.
//
// Heads come first, whatever the order of keys; then the commits above each
// partition's as-of, in the order of their create revisions. An emptied commit
// is covered by all its heads and has nothing to say.
type Loader struct {
	l       *Ledger
	commits []coordination.Item
	heads   []coordination.Item
}

// NewLoader begins a bootstrap.
func NewLoader(keys coordination.Keys) *Loader {
	return &Loader{l: &Ledger{keys: keys, byName: map[string]*Topic{}, byID: map[record.TopicID]*Topic{},
		partitions: map[record.TopicPartition]*Partition{}, dirty: map[record.TopicPartition]*Partition{}}}
}

// Add takes a page.
func (b *Loader) Add(items []coordination.Item) error {
	l := b.l
	for _, it := range items {
		key := l.keys.ParseLog(it.Key)
		switch key.Family {
		case coordination.FamilyFormat:
			f, err := DecodeFormat(it.Value)
			if err != nil {
				return err
			}
			l.format, l.formatValue = f, bytes.Clone(it.Value)
		case coordination.FamilyStamp, coordination.FamilyFloor:
			if err := l.mark(key.Family, it.Value); err != nil {
				return err
			}
		case coordination.FamilyTopic:
			t, err := DecodeTopic(key.Name, it.Value, it.Mod)
			if err != nil {
				return err
			}
			l.byName[t.Name], l.byID[t.ID] = t, t
		case coordination.FamilyCommit:
			if len(it.Value) > 0 {
				b.commits = append(b.commits, it)
			}
		case coordination.FamilyHead:
			b.heads = append(b.heads, it)
		case coordination.FamilyOther:
			return fmt.Errorf("key %q: %w", it.Key, ErrFormat)
		}
	}
	return nil
}

// Done folds the commits and gives the ledger as of rev.
func (b *Loader) Done(rev coordination.Revision, obs Observer) (*Ledger, error) {
	l := b.l
	if l.formatValue == nil {
		return nil, ErrNoCluster
	}
	for _, it := range b.heads {
		key := l.keys.ParseLog(it.Key)
		tp := record.TopicPartition{Topic: key.Topic, Partition: key.Partition}
		h, err := DecodeHead(it.Value)
		if err != nil {
			return nil, fmt.Errorf("head of %v/%d: %w", tp.Topic, tp.Partition, err)
		}
		if l.byID[tp.Topic] != nil {
			l.partitions[tp] = h.partition(tp, it.Mod)
		}
	}
	sort.Slice(b.commits, func(i, k int) bool {
		if b.commits[i].Create != b.commits[k].Create {
			return b.commits[i].Create < b.commits[k].Create
		}
		return b.commits[i].Key < b.commits[k].Key
	})
	for _, it := range b.commits {
		if err := l.commit(l.keys.ParseLog(it.Key).ID, it.Create, it.Value, obs); err != nil {
			return nil, err
		}
	}
	l.rev = rev
	return l, nil
}

// Known looks for a batch in the producer's window: Duplicate with its offset if it was appended.
func (l *Ledger) Known(tp record.TopicPartition, e *Entry) (record.Offset, bool) {
	if e.Producer == record.NoProducer {
		return -1, false
	}
	if p := l.partitions[tp]; p != nil {
		if out := p.classify(e); out.Kind == Duplicate {
			return out.Base, true
		}
	}
	return -1, false
}

// Digest sums up the folded state of a partition (not its references): equal on all
// instances at one revision, however they came there.
func (p *Partition) Digest() uint64 {
	h := fnv.New64a()
	put := func(v int64) {
		var b [8]byte
		binary.BigEndian.PutUint64(b[:], uint64(v))
		h.Write(b[:])
	}
	put(int64(p.next))
	for q := p.oldest; q != nil; q = q.newer {
		put(int64(q.id))
		put(int64(q.epoch))
		put(int64(q.last))
		put(int64(q.rev))
		put(q.closed)
		put(q.open.serial)
		put(int64(q.open.first))
		for _, s := range q.window {
			put(int64(s.first))
			put(int64(s.last))
			put(int64(s.base))
		}
	}
	for _, a := range forgetAborted(p.aborted, p.logStart, p.manifest) {
		put(int64(a.Producer))
		put(int64(a.First))
		put(int64(a.Last))
	}
	if m := p.manifest; m != nil && m.End > p.logStart {
		h.Write(m.ID[:])
		put(int64(m.End))
	}
	for _, spans := range [2][]Span{p.stored, p.fresh} {
		for i := range spans {
			if s := &spans[i]; s.End > p.logStart {
				if s.Inline != nil {
					h.Write(s.Inline.Batch())
				}
				h.Write(s.Segment[:])
				put(s.Position)
				put(s.Length)
				put(int64(s.Base))
				put(int64(s.End))
			}
		}
	}
	put(int64(p.logStart))
	return h.Sum64()
}
