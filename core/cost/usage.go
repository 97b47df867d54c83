package cost

import (
	"context"
	"fmt"
	"slices"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/archive"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/topic"
)

// Usage is what a topic stores.
type Usage struct {
	Topic   string            `json:"topic"`
	Classes map[string]Stored `json:"classes"`
	// Since is the oldest timestamp of what is stored (ms), newest of each stretch: what has come in after it gives the rate.
	Since int64 `json:"since,omitempty"`
	rate  float64
}

// Stored is how much lies in a class. Objects are those of this topic alone; what shares objects with other topics counts by
// its bytes, and Shared says in how many.
type Stored struct {
	Bytes   int64 `json:"bytes"`
	Objects int64 `json:"objects"`
	Shared  int64 `json:"sharedObjects"`
}

// Bytes of all classes.
func (u *Usage) Bytes() (n int64) {
	for _, s := range u.Classes {
		n += s.Bytes
	}
	return n
}

// BytesPerSecond at which records came, by their timestamps, on average over an hour at least; 0: not known.
func (u *Usage) BytesPerSecond() float64 { return u.rate }

// held is what one partition refers to, kept beyond the hold on the ledger.
type held struct {
	tp       record.TopicPartition
	manifest *ledger.Manifest
	spans    []ledger.Span
	start    record.Offset
}

// meter measures topics. Manifests never change, so each is read once.
type meter struct {
	archive *archive.Archive
	known   map[string]counted
	still   map[string]counted // of this time
	now     int64              // ms
}

// rateMin is the least time that a rate is taken over: a burst of a second says nothing of a month.
const rateMin = 3_600_000

// counted is what a manifest lists from an offset on: by class of its objects, cold or not.
type counted struct {
	own, cold  Stored
	first      int64 // ms
	firstBytes int64
}

func newMeter(a *archive.Archive) *meter { return &meter{archive: a, known: map[string]counted{}} }

// partitions gives all partitions of topics in a ledger.
func partitions(l *ledger.Ledger) (topics []*ledger.Topic, all map[record.TopicID][]held) {
	all = map[record.TopicID][]held{}
	topics = l.Topics()
	for _, t := range topics {
		for n := range t.Partitions {
			tp := record.TopicPartition{Topic: t.ID, Partition: n}
			p := l.Partition(tp)
			all[t.ID] = append(all[t.ID], held{tp, p.Manifest(), slices.Concat(p.Stored(), p.Fresh()), p.LogStart()})
		}
	}
	return topics, all
}

// measure says what each topic stores.
func (m *meter) measure(ctx context.Context, topics []*ledger.Topic, all map[record.TopicID][]held, now int64) ([]Usage, error) {
	m.now = now
	m.still = map[string]counted{}
	out := make([]Usage, 0, len(topics))
	for _, t := range topics {
		u := Usage{Topic: t.Name, Classes: map[string]Stored{}}
		for i := range all[t.ID] {
			if err := m.partition(ctx, t, &all[t.ID][i], &u); err != nil {
				return nil, err
			}
		}
		out = append(out, u)
	}
	m.known = m.still
	return out, nil
}

// coldClass is where cold objects of a topic lie.
func coldClass(t *ledger.Topic) string {
	if class := t.Configs[topic.ColdStorageClass]; class != "" {
		return class
	}
	return BucketClass
}

func (m *meter) partition(ctx context.Context, t *ledger.Topic, h *held, u *Usage) error {
	c, err := m.manifest(ctx, h)
	if err != nil {
		return fmt.Errorf("manifest of %s/%d: %w", t.Name, h.tp.Partition, err)
	}
	objects := map[string]struct{}{}
	for i := range h.spans {
		if s := &h.spans[i]; s.Inline == nil && s.End > h.start {
			c.add(s, h.tp, objects)
		}
	}
	sum := func(class string, s Stored) {
		if s != (Stored{}) {
			now := u.Classes[class]
			u.Classes[class] = Stored{now.Bytes + s.Bytes, now.Objects + s.Objects, now.Shared + s.Shared}
		}
	}
	sum(BucketClass, c.own)
	sum(coldClass(t), c.cold)
	if c.first > 0 {
		u.rate += float64(c.own.Bytes+c.cold.Bytes-c.firstBytes) / float64(max(m.now-c.first, rateMin)) * 1000
	}
	if c.first > 0 && (u.Since == 0 || c.first < u.Since) {
		u.Since = c.first
	}
	return nil
}

// add counts a reference; in objects of many topics each object counts once a partition.
func (c *counted) add(s *ledger.Span, tp record.TopicPartition, objects map[string]struct{}) {
	into := &c.own
	if s.Place == ledger.InCold {
		into = &c.cold
	}
	into.Bytes += s.Length
	if key := s.Key(tp); s.Place == ledger.InOwn || s.Place == ledger.InCold {
		into.Objects++
	} else if _, known := objects[key]; !known {
		objects[key] = struct{}{}
		into.Shared++
	}
	if s.MaxTimestamp > 0 && c.first == 0 {
		c.first, c.firstBytes = s.MaxTimestamp, s.Length
	}
}

// manifest counts what a manifest lists.
func (m *meter) manifest(ctx context.Context, h *held) (c counted, err error) {
	if h.manifest == nil || h.manifest.End <= h.start {
		return c, nil
	}
	name := fmt.Sprintf("%s %d %d", h.manifest.Key(h.tp), h.start, h.manifest.End) // a fork may share a part
	if known, ok := m.known[name]; ok {
		m.still[name] = known
		return known, nil
	}
	shelf, err := m.archive.Open(ctx, h.tp, h.manifest)
	if err != nil {
		return c, err
	}
	objects := map[string]struct{}{}
	for e, err := range shelf.Entries(ctx, h.start) {
		if err != nil {
			return c, err
		}
		c.add(&e.Span, h.tp, objects)
	}
	m.still[name] = c
	return c, nil
}

// Measure reads the log at one revision, and says what each topic stores. now is in ms.
func Measure(ctx context.Context, kv coordination.KV, keys coordination.Keys, a *archive.Archive, now int64) ([]Usage, error) {
	loader := ledger.NewLoader(keys)
	r := coordination.Range{Prefix: keys.Log(), Limit: 1000}
	for {
		page, err := kv.List(ctx, r)
		if err == nil {
			err = loader.Add(page.Items)
		}
		if err != nil {
			return nil, fmt.Errorf("read the log: %w", err)
		}
		if r.At == 0 {
			r.At = page.Revision
		}
		if !page.More {
			break
		}
		r.After = page.Items[len(page.Items)-1].Key
	}
	l, err := loader.Done(r.At, ledger.Observer{})
	if err != nil {
		return nil, fmt.Errorf("fold the log: %w", err)
	}
	topics, all := partitions(l)
	return newMeter(a).measure(ctx, topics, all, now)
}
