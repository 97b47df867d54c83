package coretest

import (
	"context"
	"slices"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/archive"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/record"
)

// Walked is what a partition holds by all that heads, manifests and commits refer to.
type Walked struct {
	Records  []Record             // data and markers, by offset
	Spans    []ledger.Span        // of the head and of commits after it
	Listed   []ledger.Span        // of the manifest
	Manifest *ledger.Manifest     // nil: none
	Named    map[string]struct{}  // every object that it refers to
	Places   map[ledger.Place]int // of objects
}

// Walk reads every reference of every partition below all faults, as fsck does, and fails the test where one leads to
// nothing, to damaged bytes, or to other offsets than it says.
func (c *Cluster) Walk() map[record.TopicPartition]*Walked {
	c.T.Helper()
	page, err := c.Etcd.List(context.Background(), coordination.Range{Prefix: c.Keys.Log()})
	if err != nil {
		c.T.Fatalf("walk: %v", err)
	}
	loader := ledger.NewLoader(c.Keys)
	if err := loader.Add(page.Items); err != nil {
		c.T.Fatalf("walk: %v", err)
	}
	l, err := loader.Done(page.Revision, ledger.Observer{})
	if err != nil {
		c.T.Fatalf("walk: %v", err)
	}
	out := map[record.TopicPartition]*Walked{}
	l.EachPartition(func(tp record.TopicPartition, p *ledger.Partition) {
		w := &Walked{Manifest: p.Manifest(), Named: map[string]struct{}{}, Places: map[ledger.Place]int{}}
		out[tp] = w
		c.list(tp, w)
		p.FirstSpan(-1, func(s *ledger.Span) bool { w.Spans = append(w.Spans, *s); return false })
		at := p.LogStart()
		for i, s := range append(w.Listed, w.Spans...) {
			if i == 0 {
				at = min(at, s.Base)
			}
			if s.Base != at {
				c.T.Errorf("walk %v/%d: a span begins at %d, the one before ends at %d", tp.Topic, tp.Partition, s.Base, at)
			}
			w.Records = append(w.Records, c.span(tp, w, &s)...)
			at = s.End
		}
		if at != p.Next() {
			c.T.Errorf("walk %v/%d: references end at %d, next is %d", tp.Topic, tp.Partition, at, p.Next())
		}
	})
	return out
}

// list reads the manifest.
func (c *Cluster) list(tp record.TopicPartition, w *Walked) {
	if w.Manifest == nil {
		return
	}
	shelf, err := archive.New(c.Disk, archive.BytesMax).Open(context.Background(), tp, w.Manifest)
	if err != nil {
		c.T.Fatalf("walk %v/%d: %v", tp.Topic, tp.Partition, err)
	}
	w.Named[w.Manifest.Key(tp)] = struct{}{}
	for _, key := range shelf.Pages() {
		w.Named[key] = struct{}{}
	}
	for e, err := range shelf.Entries(context.Background(), -1) {
		if err != nil {
			c.T.Fatalf("walk %v/%d: %v", tp.Topic, tp.Partition, err)
		}
		w.Listed = append(w.Listed, e.Span)
	}
}

// span reads one.
func (c *Cluster) span(tp record.TopicPartition, w *Walked, s *ledger.Span) []Record {
	if s.Inline != nil {
		b := s.Inline.Batch()
		record.Stamp(b, s.Base)
		return Records(c.T, b)
	}
	key := s.Key(tp)
	if _, known := w.Named[key]; !known {
		w.Named[key] = struct{}{}
		w.Places[s.Place]++
	}
	body, err := c.Disk.Get(context.Background(), key, s.Position, s.Length)
	if err != nil || int64(len(body)) != s.Length {
		c.T.Fatalf("walk %v/%d: %d bytes of offset %d: %v", tp.Topic, tp.Partition, len(body), s.Base, err)
	}
	if !s.Settled() {
		at := s.Base
		for b, err := range record.Batches(body) {
			h, err2 := record.ReadHeader(b)
			if err != nil || err2 != nil {
				c.T.Fatalf("walk %v/%d: %v %v", tp.Topic, tp.Partition, err, err2)
			}
			record.Stamp(b, at)
			at += record.Offset(h.LastOffsetDelta) + 1
		}
	}
	out := Records(c.T, body)
	if s.Owner != (record.TopicPartition{}) { // a fork's span may end before its bytes do
		out = slices.DeleteFunc(out, func(r Record) bool { return r.Offset >= s.End })
	}
	for i := range out {
		if out[i].Offset < s.Base || out[i].Offset >= s.End || i > 0 && out[i].Offset <= out[i-1].Offset {
			c.T.Errorf("walk %v/%d: offset %d in a span of %d to %d", tp.Topic, tp.Partition, out[i].Offset, s.Base, s.End)
		}
	}
	return out
}

// Bucket lists all objects below the prefixes of data.
func (c *Cluster) Bucket() (keys []string) {
	c.T.Helper()
	for _, prefix := range []string{ledger.SegmentPrefix, ledger.SettledPrefix, ledger.ColdPrefix, ledger.ManifestPrefix} {
		for after := ""; ; {
			list, err := c.Disk.List(context.Background(), prefix, after, 1000)
			if err != nil {
				c.T.Fatalf("list %s: %v", prefix, err)
			}
			for _, o := range list {
				keys = append(keys, o.Key)
			}
			if len(list) < 1000 {
				break
			}
			after = list[len(list)-1].Key
		}
	}
	return keys
}
