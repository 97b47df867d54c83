package fetch_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/firnlog/firnlog/core/archive"
	"github.com/firnlog/firnlog/core/cache"
	"github.com/firnlog/firnlog/core/coretest"
	"github.com/firnlog/firnlog/core/fetch"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/manifest"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/segment"
	"github.com/firnlog/firnlog/objectstore"
)

// library writes what maintenance would have: settled objects, manifests, a head. Instances start after it.
type library struct {
	*coretest.Cluster
	t    *testing.T
	tp   record.TopicPartition
	head ledger.Head
	ids  uint64
}

func newLibrary(t *testing.T) *library {
	c := coretest.NewCluster(t)
	return &library{Cluster: c, t: t, tp: record.TopicPartition{Topic: c.CreateTopic("t", 4)}, head: ledger.Head{AsOf: 1}}
}

func (l *library) id() (id ulid.ULID) {
	l.ids++
	if err := id.SetTime(l.ids); err != nil {
		l.t.Fatal(err)
	}
	return id
}

func (l *library) put(key string, body ...[]byte) {
	l.t.Helper()
	if err := l.Disk.Put(context.Background(), key, body...); err != nil {
		l.t.Fatal(err)
	}
}

// plain is a batch as it lies in a settled object.
func (l *library) plain(base record.Offset, ms int64, values ...string) []byte {
	b := coretest.Batch(l.tp, record.Settings{}, ms, values...).Batch
	record.Stamp(b, base)
	return b
}

func (l *library) transactional(base record.Offset, producer record.ProducerID, values ...string) []byte {
	b := coretest.Batch(l.tp, record.Settings{Transactional: true, Sequence: &record.Sequence{Producer: producer}}, 1000, values...).Batch
	record.Stamp(b, base)
	return b
}

func (l *library) marker(base record.Offset, producer record.ProducerID, commit bool) []byte {
	b := record.Marker{Producer: producer, Commit: commit, Timestamp: 9_000_000}.Batch()
	record.Stamp(b, base)
	return b
}

// settle puts an object with a run of the partition behind one of another, and gives the entry.
func (l *library) settle(place ledger.Place, base, end record.Offset, batches ...[]byte) manifest.Entry {
	l.t.Helper()
	b := segment.NewSettled()
	var before record.TopicPartition
	if err := b.Begin(before, 0); err != nil {
		l.t.Fatal(err)
	}
	if err := b.Add(coretest.Plain(before, "another's").Batch); err != nil {
		l.t.Fatal(err)
	}
	if err := b.End(1); err != nil {
		l.t.Fatal(err)
	}
	if err := b.Begin(l.tp, base); err != nil {
		l.t.Fatal(err)
	}
	for _, one := range batches {
		if err := b.Add(one); err != nil {
			l.t.Fatal(err)
		}
	}
	if err := b.End(end); err != nil {
		l.t.Fatal(err)
	}
	s, err := b.Seal()
	if err != nil {
		l.t.Fatal(err)
	}
	run := s.Runs[1]
	e := manifest.Entry{Blocks: run.Blocks, Span: ledger.Span{
		Segment: l.id(), Place: place, Tier: 1, Position: run.Position, Length: run.Length, Base: run.Base, End: run.End, MaxTimestamp: run.MaxTimestamp,
	}}
	l.put(e.Key(l.tp), s.Chunks...)
	return e
}

// blocked divides an entry into blocks of so many batches, as if they were long.
func blocked(e manifest.Entry, batches [][]byte, n int) manifest.Entry {
	e.Blocks = nil
	for part := range slices.Chunk(batches, n) {
		var k segment.Block
		for i, b := range part {
			h, err := record.ReadHeader(b)
			if err != nil {
				panic(err)
			}
			if i == 0 || h.MaxTimestamp > k.MaxTimestamp {
				k.MaxTimestamp = h.MaxTimestamp
			}
			k.Length, k.End = k.Length+int64(len(b)), h.LastOffset()+1
		}
		e.Blocks = append(e.Blocks, k)
	}
	if len(e.Blocks) < 2 {
		e.Blocks = nil
	}
	return e
}

// archive makes the head refer to a manifest of entries, each of the lists appended by itself.
func (l *library) archive(aborted []ledger.Aborted, lists ...[]manifest.Entry) {
	l.t.Helper()
	root := &manifest.Root{}
	for _, entries := range lists {
		var ended []ledger.Aborted
		for _, a := range aborted {
			if a.Last >= entries[0].Base && a.Last < entries[len(entries)-1].End {
				ended = append(ended, a)
			}
		}
		c, err := root.Append(entries, ended, manifest.Pager{ID: func() (ulid.ULID, error) { return l.id(), nil }})
		if err != nil {
			l.t.Fatal(err)
		}
		for _, p := range c.Pages {
			l.put(ledger.ManifestKey(l.tp, p.ID), p.Body)
		}
		root = c.Root
	}
	m := root.Sums()
	m.ID = l.id()
	l.put(m.Key(l.tp), root.Encode())
	l.head.Manifest = &m
	l.head.Next = max(l.head.Next, m.End)
}

// refer adds spans to the head.
func (l *library) refer(entries ...manifest.Entry) {
	for _, e := range entries {
		l.head.Spans = append(l.head.Spans, e.Span)
		l.head.Next = max(l.head.Next, e.End)
	}
}

// publish writes the head.
func (l *library) publish() {
	l.Put(l.Keys.Head(l.tp.Topic, l.tp.Partition), l.head.Encode())
}

// reader is a fetcher of its own on an instance's stream, with its requests counted.
type reader struct {
	*fetch.Fetcher
	meter   *objectstore.Meter
	archive *archive.Archive
}

func newReader(in *coretest.Instance, store objectstore.Store, cacheBytes int64) reader {
	r := reader{meter: objectstore.NewMeter(store, time.Now, nil)}
	r.archive = archive.New(r.meter, 1<<20)
	r.Fetcher = fetch.New(fetch.Settings{
		Store: r.meter, Stream: in.Stream, Cache: cache.New(cacheBytes, cacheBytes), Log: coretest.Quiet(), Archive: r.archive,
		ResponseBytesMax: 50 << 20, LoadsMax: 4, TailAge: 2 * time.Minute,
	})
	return r
}

func (r reader) gets() int64 { return r.meter.Snapshot().Get.Requests }

func (r reader) read(t *testing.T, tp record.TopicPartition, from record.Offset, bytesMax int, committed bool) fetch.Result {
	return r.Fetch(t.Context(), fetch.Request{Partitions: []fetch.Partition{{TopicPartition: tp, Offset: from, BytesMax: bytesMax}}, BytesMax: 50 << 20, ReadCommitted: committed})[0]
}

// readOn reads from an offset to the end as a consumer does.
func (r reader) readOn(t *testing.T, tp record.TopicPartition, from record.Offset, bytesMax int) (out []coretest.Record) {
	t.Helper()
	for {
		got := r.read(t, tp, from, bytesMax, false)
		if got.Err != nil {
			t.Fatalf("at %d: %v", from, got.Err)
		}
		if len(got.Batches) == 0 {
			return out
		}
		for _, one := range coretest.Records(t, got.Batches) {
			if one.Offset >= from {
				out = append(out, one)
			}
		}
		next := from
		for b, err := range record.Batches(got.Batches) {
			if err != nil {
				t.Fatal(err)
			}
			h, err := record.ReadHeader(b)
			if err != nil {
				t.Fatal(err)
			}
			next = h.LastOffset() + 1
		}
		if next <= from {
			t.Fatalf("no progress at %d: batches to %d", from, next)
		}
		from = next
	}
}

func describe(all []coretest.Record) (out []string) {
	for _, r := range all {
		out = append(out, fmt.Sprintf("%d %s %d", r.Offset, r.Value, r.Timestamp))
	}
	return out
}
