package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/oklog/ulid/v2"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/record"
)

func showCommit(ctx context.Context, src *source) (*sheet, error) {
	if src.name == "" {
		return src.commits(ctx)
	}
	key := src.name
	if id, err := ulid.ParseStrict(key); err == nil {
		key = src.keys.Commit(id)
	}
	it, err := src.value(ctx, key)
	if err != nil {
		return nil, err
	}
	s := &sheet{title: fmt.Sprintf("commit %s, created at revision %d", it.Key, it.Create)}
	if len(it.Value) == 0 {
		s.field("emptied", "all its partitions' heads cover it")
		s.raw = ledger.Commit{}
		return s, nil
	}
	c, err := ledger.DecodeCommit(it.Value)
	if err != nil {
		return nil, err
	}
	s.raw = c
	for _, g := range c.Segments {
		s.field("segment", "%s, %s", g.ID, size(g.Size))
	}
	t := table{columns: row("PARTITION", "SEGMENT", "POSITION", "BYTES", "RECORDS", "PRODUCER", "EPOCH", "SEQUENCE", "TRANSACTION", "NEWEST")}
	for _, r := range c.Runs {
		at := r.Position
		for _, e := range r.Entries {
			producer := row("-", "-", "-")
			if e.Producer != record.NoProducer {
				producer = row(e.Producer, e.Epoch, e.Sequence)
			}
			t.rows = append(t.rows, slices.Concat(row(src.partition(r.Partition), r.Segment, at, e.Bytes, e.Records), producer, row(e.Serial, when(e.MaxTimestamp))))
			at += e.Bytes
		}
	}
	for _, m := range c.Markers {
		for _, tp := range m.Partitions {
			s.field("marker", "%s: producer %d, epoch %d, transaction %d, commit=%v", src.partition(tp), m.Producer, m.Epoch, m.Serial, m.Commit)
		}
	}
	for _, x := range c.Expiries {
		s.field("expiry", "%s: producer %d, unless heard of after revision %d", src.partition(x.Partition), x.Producer, x.Revision)
	}
	s.tables = []table{t}
	return s, nil
}

// commits lists those that are there.
func (s *source) commits(ctx context.Context) (*sheet, error) {
	type listed struct {
		ID       ulid.ULID             `json:"id"`
		Revision coordination.Revision `json:"revision"`
		Bytes    int                   `json:"bytes"` // 0: emptied
	}
	all := []listed{}
	t := table{columns: row("COMMIT", "REVISION", "BYTES", "DRAWN")}
	err := s.list(ctx, s.keys.Commits(), func(it coordination.Item) {
		id := s.keys.ParseLog(it.Key).ID
		all = append(all, listed{id, it.Create, len(it.Value)})
		t.rows = append(t.rows, row(id, it.Create, len(it.Value), idTime(id)))
	})
	return &sheet{title: plural(int64(len(all)), "commit", "commits"), tables: []table{t}, raw: all}, err
}

// named finds TOPIC/PARTITION; a topic by its name or id.
func (s *source) named(name string) (tp record.TopicPartition, err error) {
	topic, partition, ok := strings.Cut(name, "/")
	n, err := strconv.ParseInt(partition, 10, 32)
	if !ok || err != nil {
		return tp, fmt.Errorf("%q: want TOPIC/PARTITION", name)
	}
	for _, t := range s.topics {
		if t.Name == topic || t.ID.String() == topic {
			return record.TopicPartition{Topic: t.ID, Partition: int32(n)}, nil
		}
	}
	return tp, fmt.Errorf("there is no topic %q", topic)
}

func showHead(ctx context.Context, src *source) (*sheet, error) {
	key := src.name
	var tp record.TopicPartition
	if src.file == nil && !strings.HasPrefix(key, "/firnlog/") {
		var err error
		if tp, err = src.named(src.name); err != nil {
			return nil, err
		}
		key = src.keys.Head(tp.Topic, tp.Partition)
	}
	it, err := src.value(ctx, key)
	if err != nil {
		return nil, fmt.Errorf("%w (a partition has a head once it was checkpointed; what was written since then is in commits)", err)
	}
	h, err := ledger.DecodeHead(it.Value)
	if err != nil {
		return nil, err
	}
	s := &sheet{title: fmt.Sprintf("head %s, %s, written at revision %d", it.Key, size(int64(len(it.Value))), it.Mod), raw: h}
	s.field("as of", "revision %d; commits after it are not in here", h.AsOf)
	s.field("offsets", "%d to %d, stable below %d", h.LogStart, h.Next, h.LastStable())
	if m := h.Manifest; m != nil {
		s.field("manifest", "%s: offsets %s, %s of %s", m.Key(tp), span(int64(m.Base), int64(m.End)), plural(m.Objects, "object", "objects"), size(m.Bytes))
	}
	for _, a := range h.Aborted {
		s.field("aborted", "producer %d, offsets %d to its marker at %d", a.Producer, a.First, a.Last)
	}
	s.tables = []table{spansOf(h.Spans), producersOf(h.Producers)}
	return s, nil
}

func spansOf(spans []ledger.Span) table {
	t := table{columns: row("OFFSETS", "IN", "TIER", "OBJECT", "POSITION", "BYTES", "NEWEST")}
	for _, sp := range spans {
		if m := sp.Inline; m != nil {
			t.rows = append(t.rows, row(sp.Base, "marker", "-", fmt.Sprintf("producer %d, commit=%v", m.Producer, m.Commit), "-", sp.Length, when(sp.MaxTimestamp)))
			continue
		}
		t.rows = append(t.rows, row(span(int64(sp.Base), int64(sp.End)), placeName(sp.Place), sp.Tier, sp.Segment, sp.Position, sp.Length, when(sp.MaxTimestamp)))
	}
	return t
}

func producersOf(all []ledger.HeadProducer) table {
	t := table{columns: row("PRODUCER", "EPOCH", "LAST SEQUENCE", "HEARD OF AT", "CLOSED", "OPEN", "OPEN FROM")}
	for _, p := range all {
		t.rows = append(t.rows, row(p.ID, p.Epoch, p.Last, p.Revision, p.Closed, p.OpenSerial, p.OpenFirst))
	}
	return t
}

func showTopic(ctx context.Context, src *source) (*sheet, error) {
	if src.file != nil {
		return nil, errors.New("a topic lies in etcd, not in a file")
	}
	t := table{columns: row("TOPIC", "ID", "PARTITIONS", "CONFIGS")}
	all := []map[string]any{}
	for _, topic := range src.topics {
		if src.name != "" && src.name != topic.Name && src.name != topic.ID.String() {
			continue
		}
		var configs []string
		for _, name := range slices.Sorted(maps.Keys(topic.Configs)) {
			configs = append(configs, name+"="+topic.Configs[name])
		}
		t.rows = append(t.rows, row(topic.Name, topic.ID, topic.Partitions, joined(configs)))
		all = append(all, map[string]any{"name": topic.Name, "topic": topic})
	}
	slices.SortFunc(t.rows, slices.Compare)
	if src.name != "" && len(all) == 0 {
		return nil, fmt.Errorf("there is no topic %q", src.name)
	}
	s := &sheet{title: plural(int64(len(all)), "topic", "topics"), tables: []table{t}, raw: all}
	if len(all) != 1 || src.name == "" {
		return s, nil
	}
	return s, src.partitions(ctx, s, all[0]["topic"].(*ledger.Topic))
}

// partitions adds the heads of a topic.
func (s *source) partitions(ctx context.Context, out *sheet, topic *ledger.Topic) error {
	t := table{columns: row("PARTITION", "START", "END", "SPANS", "MANIFEST", "PRODUCERS", "AS OF", "HEAD")}
	err := s.list(ctx, s.keys.TopicHeads(topic.ID), func(it coordination.Item) {
		h, err := ledger.DecodeHead(it.Value)
		if err != nil {
			out.wrong = err
			return
		}
		objects := int64(0)
		if h.Manifest != nil {
			objects = h.Manifest.Objects
		}
		t.rows = append(t.rows, row(s.keys.ParseLog(it.Key).Partition, h.LogStart, h.Next, len(h.Spans), objects, len(h.Producers), h.AsOf, size(int64(len(it.Value)))))
	})
	out.tables = append(out.tables, t)
	return err
}
