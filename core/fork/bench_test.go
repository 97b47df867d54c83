package fork_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/oklog/ulid/v2"

	"github.com/firnlog/firnlog/core/coretest"
	"github.com/firnlog/firnlog/core/fork"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/manifest"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/segment"
)

// BenchmarkFork forks a partition of 10,000 objects of 64 MiB, whose manifest alone is real, over a store and an etcd in memory: what
// is left is the work of firnlog itself. Its metrics are what goes to etcd and to the store for one fork.
func BenchmarkFork(b *testing.B) {
	t := &testing.T{}
	c := coretest.NewCluster(t)
	id := c.CreateTopic("t", 1)
	tp := record.TopicPartition{Topic: id}
	a := c.Instance("a", coretest.Options{})
	defer a.Stop()
	if err := a.Stream.WaitRevision(b.Context(), 1); err != nil {
		b.Fatal(err)
	}
	m, end := archived(b, c, a, tp)
	head := ledger.Head{AsOf: 1, Next: end, Manifest: m}
	c.Put(c.Keys.Head(id, 0), head.Encode())
	forker := (&fixture{Cluster: c, t: t, a: a}).forkerOf(a)
	c.Transcript()
	var made fork.Result
	n := 0
	for ; b.Loop(); n++ {
		var err error
		if made, err = forker.Fork(b.Context(), fork.Request{From: "t", Name: fmt.Sprint("f", n)}); err != nil {
			b.Fatal(err)
		}
	}
	toStore := 0
	for _, line := range c.Transcript() {
		if strings.Contains(line, " store ") {
			toStore++
		}
	}
	written := 0
	for _, it := range append(c.Items(c.Keys.TopicHeads(made.Topic.ID)), c.Items(c.Keys.Topic(made.Topic.Name))...) {
		written += len(it.Key) + len(it.Value)
	}
	b.ReportMetric(float64(written), "etcd-B/fork")
	b.ReportMetric(float64(toStore)/float64(n), "store-requests/fork")
	b.ReportMetric(float64(made.Bytes)/(1<<30), "shared-GiB")
	b.ReportMetric(float64(made.Objects), "shared-objects")
}

// archived puts a manifest of objects that are a second apart.
func archived(b *testing.B, c *coretest.Cluster, a *coretest.Instance, tp record.TopicPartition) (*ledger.Manifest, record.Offset) {
	b.Helper()
	const objects, offsets, size = 10_000, 100_000, 64 << 20
	var list []manifest.Entry
	id := ulid.ULID{}
	for i := range objects {
		base := record.Offset(i * offsets)
		id[14], id[15] = byte(i>>8), byte(i)
		list = append(list, manifest.Entry{Span: ledger.Span{Segment: id, Place: ledger.InOwn, Position: 8, Length: size, Base: base, End: base + offsets, MaxTimestamp: int64(i) * 1000}, Blocks: blocks(base, i, offsets, size)})
	}
	change, err := (&manifest.Root{}).Append(list, nil, manifest.Pager{ID: a.Stream.NewID})
	if err != nil {
		b.Fatal(err)
	}
	for _, p := range change.Pages {
		if err := c.Disk.Put(b.Context(), ledger.ManifestKey(tp, p.ID), p.Body); err != nil {
			b.Fatal(err)
		}
	}
	m := change.Root.Sums()
	m.ID = ulid.ULID{1}
	if err := c.Disk.Put(b.Context(), ledger.ManifestKey(tp, m.ID), change.Root.Encode()); err != nil {
		b.Fatal(err)
	}
	return &m, list[objects-1].End
}

func blocks(base record.Offset, i, offsets, size int) (out []segment.Block) {
	const n = 16
	for k := range n {
		out = append(out, segment.Block{Length: int64(size / n), End: base + record.Offset((k+1)*offsets/n), MaxTimestamp: int64(i)*1000 - int64(n-1-k)})
	}
	return out
}
