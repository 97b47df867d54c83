package fetch_test

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"

	"github.com/firnlog/firnlog/core/coretest"
	"github.com/firnlog/firnlog/core/fetch"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/manifest"
	"github.com/firnlog/firnlog/core/record"
)

// layout is a partition drawn from a seed: manifest with pages, settled spans in the head, fresh ones; offsets are gone here
// and there, some stretches wholly; with all the records that are left.
type layout struct {
	*library
	rand *rand.Rand
	at   record.Offset
	want []coretest.Record
}

func (l *layout) entry(place ledger.Place) manifest.Entry {
	base := l.at
	if l.rand.IntN(5) == 0 {
		l.at += 1 + record.Offset(l.rand.IntN(5))
		return l.settle(place, base, l.at)
	}
	var batches [][]byte
	for range 1 + l.rand.IntN(6) {
		if l.rand.IntN(3) == 0 {
			l.at += record.Offset(l.rand.IntN(4))
		}
		if l.rand.IntN(6) == 0 {
			batches = append(batches, l.marker(l.at, 77, true))
			l.at++
			continue
		}
		var values []string
		ms := int64(1000 + l.rand.IntN(400))
		for i := range 1 + l.rand.IntN(3) {
			l.want = append(l.want, coretest.Record{Offset: l.at, Timestamp: ms + int64(i), Value: strconv.Itoa(int(l.at))})
			values = append(values, strconv.Itoa(int(l.at)))
			l.at++
		}
		batches = append(batches, l.plain(l.at-record.Offset(len(values)), ms, values...))
	}
	if l.rand.IntN(3) == 0 {
		l.at += record.Offset(l.rand.IntN(4))
	}
	return blocked(l.settle(place, base, l.at, batches...), batches, 1+l.rand.IntN(3))
}

func (l *layout) entries(n int, place ledger.Place) (out []manifest.Entry) {
	for range n {
		out = append(out, l.entry(place))
	}
	return out
}

// draw makes one; with fresh records when the instance has started.
func draw(t *testing.T, seed uint64) *layout {
	l := &layout{library: newLibrary(t), rand: rand.New(rand.NewPCG(seed, 1))}
	l.at = record.Offset(l.rand.IntN(50))
	l.head.LogStart = l.at
	if l.rand.IntN(4) > 0 {
		l.archive(nil, l.entries([]int{1, 20, 300}[l.rand.IntN(3)], ledger.InOwn), l.entries(16, ledger.InCold))
	}
	l.refer(l.entries(l.rand.IntN(6), ledger.InShared)...)
	if len(l.want) > 3 && l.rand.IntN(2) == 0 { // the log start may be anywhere
		i := l.rand.IntN(len(l.want) / 2)
		l.head.LogStart, l.want = l.want[i].Offset, l.want[i:]
	}
	l.head.Next = l.at
	l.publish()
	return l
}

func (l *layout) fresh(in *coretest.Instance) {
	for range l.rand.IntN(3) {
		ms := int64(1000 + l.rand.IntN(400))
		base := in.MustProduce(coretest.Batch(l.tp, record.Settings{}, ms, "f", "f"))[0]
		l.want = append(l.want, coretest.Record{Offset: base, Timestamp: ms, Value: "f"}, coretest.Record{Offset: base + 1, Timestamp: ms + 1, Value: "f"})
	}
}

// Anomaly 19: from any offset, at any time, wherever the records lie.
func TestAnomaly19_EveryOffsetAndTimeOfSettledAndFreshDataIsFound(t *testing.T) {
	for seed := range uint64(40) {
		synctest.Test(t, func(t *testing.T) {
			l := draw(t, seed)
			in := l.Instance("a", coretest.Options{}).Ready()
			l.fresh(in)
			in.Barrier()
			r := newReader(in, l.Disk, 1<<20)
			bounds, err := r.Bounds(t.Context(), l.tp)
			if err != nil {
				t.Fatal(err)
			}
			for range 12 {
				from := bounds.LogStart + record.Offset(l.rand.Int64N(int64(bounds.HighWatermark-bounds.LogStart)+1))
				var want []coretest.Record
				for _, one := range l.want {
					if one.Offset >= from {
						want = append(want, one)
					}
				}
				if got := values(r.readOn(t, l.tp, from, 1+l.rand.IntN(2000))); !slices.Equal(got, describe(want)) {
					t.Fatalf("seed %d from %d:\ngot  %v\nwant %v", seed, from, got, describe(want))
				}
			}
			for ms := int64(990); ms < 1410; ms += 7 {
				want := fetch.Found{Offset: -1, Timestamp: -1}
				if i := slices.IndexFunc(l.want, func(r coretest.Record) bool { return r.Timestamp >= ms }); i >= 0 {
					want = fetch.Found{Offset: l.want[i].Offset, Timestamp: l.want[i].Timestamp}
				}
				if got, err := r.AtTime(t.Context(), l.tp, ms, false); err != nil || got != want {
					t.Fatalf("seed %d at time %d: %+v, %v; want %+v", seed, ms, got, err, want)
				}
			}
			want := fetch.Found{Offset: -1, Timestamp: -1}
			for _, one := range l.want {
				if one.Timestamp > want.Timestamp {
					want = fetch.Found{Offset: one.Offset, Timestamp: one.Timestamp}
				}
			}
			if got, err := r.MaxTimestamp(t.Context(), l.tp); err != nil || got != want {
				t.Fatalf("seed %d: max timestamp %+v, %v; want %+v", seed, got, err, want)
			}
			synctest.Wait() // what is read ahead has come
		})
	}
}

// values leaves out the markers' records.
func values(all []coretest.Record) []string {
	return describe(slices.DeleteFunc(all, func(r coretest.Record) bool { return r.Timestamp == 9_000_000 }))
}

func TestFetch_AnExtentWithNothingLeftDoesNotHoldUpAConsumer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLibrary(t)
		var list []manifest.Entry
		first := l.settle(ledger.InOwn, 0, 1000, l.plain(3, 5, "first")) // offsets 4 to 999 are gone
		list = append(list, first)
		for i := range record.Offset(600) { // more than two pages of nothing
			list = append(list, l.settle(ledger.InOwn, 1000+i, 1001+i))
		}
		l.archive(nil, list)
		l.refer(l.settle(ledger.InShared, 1600, 1700), l.settle(ledger.InShared, 1700, 1800, l.plain(1790, 6, "last")), l.settle(ledger.InShared, 1800, 1900))
		l.publish()
		in := l.Instance("a", coretest.Options{}).Ready()
		r := newReader(in, l.Disk, 1<<20)
		for _, from := range []record.Offset{4, 500, 1000, 1300, 1600, 1790} {
			got := coretest.Records(t, r.read(t, l.tp, from, 1<<20, false).Batches)
			if len(got) != 1 || got[0].Offset != 1790 {
				t.Errorf("from %d: %v", from, got)
			}
		}
		if got := r.read(t, l.tp, 1791, 1<<20, false); got.Err != nil || len(got.Batches) != 0 {
			t.Errorf("behind the last: %+v", got)
		}
	})
}

func TestFetch_AForkReadsItsSourcesObjectsUpToItsOwnEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLibrary(t)
		var batches [][]byte
		for i := range record.Offset(10) {
			batches = append(batches, l.plain(i, int64(i), strconv.Itoa(int(i))))
		}
		old := blocked(l.settle(ledger.InOwn, 0, 10, batches...), batches, 4)
		more := l.settle(ledger.InOwn, 10, 12, l.plain(10, 10, "10"), l.plain(11, 11, "11"))
		l.archive(nil, []manifest.Entry{old, more})
		l.publish()
		for n, end := range map[int32]record.Offset{1: 11, 2: 6} {
			fork := record.TopicPartition{Topic: l.tp.Topic, Partition: n}
			m := *l.head.Manifest
			m.Owner, m.End = l.tp, end
			head := ledger.Head{AsOf: 1, Next: end, Manifest: &m}
			l.Put(l.Keys.Head(fork.Topic, fork.Partition), head.Encode())
		}
		span := more.Span
		span.Owner, span.End = l.tp, 11
		head := ledger.Head{AsOf: 1, Next: 11, LogStart: 10, Spans: []ledger.Span{span}} // in the head
		l.Put(l.Keys.Head(l.tp.Topic, 3), head.Encode())
		in := l.Instance("a", coretest.Options{}).Ready()
		r := newReader(in, l.Disk, 1<<20)
		for n, want := range map[int32][]record.Offset{0: {0, 12}, 1: {0, 11}, 2: {0, 6}, 3: {10, 11}} {
			tp := record.TopicPartition{Topic: l.tp.Topic, Partition: n}
			got := r.readOn(t, tp, want[0], 1<<20)
			if len(got) != int(want[1]-want[0]) || got[len(got)-1].Offset != want[1]-1 {
				t.Errorf("partition %d: %v", n, describe(got))
			}
			if found, err := r.MaxTimestamp(t.Context(), tp); err != nil || found.Offset != want[1]-1 {
				t.Errorf("partition %d: latest %+v, %v", n, found, err)
			}
		}
		synctest.Wait()
	})
}
