package fetch_test

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/firnlog/firnlog/core/coretest"
	"github.com/firnlog/firnlog/core/fetch"
	"github.com/firnlog/firnlog/core/ingest"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/segment"
)

// many is a topic of many partitions, each of which has something in each segment.
type many struct {
	*fixture
	topic    record.TopicID
	sizes    []int // of each partition's value in a segment
	segments int
}

func (f *fixture) many(segments int, sizes ...int) *many {
	m := &many{fixture: f, topic: f.CreateTopic("many", int32(len(sizes))), sizes: sizes, segments: segments}
	for range segments {
		var batches []ingest.Incoming
		for i, size := range sizes {
			batches = append(batches, coretest.Plain(m.at(i), strings.Repeat("x", size)))
		}
		f.a.MustProduce(batches...)
	}
	f.b.Barrier()
	return m
}

func (m *many) at(i int) record.TopicPartition {
	return record.TopicPartition{Topic: m.topic, Partition: int32(i)}
}

// bytes is about the size of a segment.
func (m *many) bytes() (sum int) {
	for _, s := range m.sizes {
		sum += s + 80
	}
	return sum
}

// request asks for all partitions from where each is; those that got something last are the last, as in a fetch session.
func (m *many) request(from []record.Offset) fetch.Request {
	r := fetch.Request{BytesMin: 1, BytesMax: 6 * m.bytes()}
	for i := range m.sizes {
		r.Partitions = append(r.Partitions, fetch.Partition{TopicPartition: m.at(i), Offset: from[i], BytesMax: r.BytesMax / 20})
	}
	return r
}

// readAll reads from some offsets to the end, and says how many answers that took, and when each partition had got something first.
func (m *many) readAll(t *testing.T, r reader, from []record.Offset) (answers int, first []int) {
	t.Helper()
	first = make([]int, len(m.sizes))
	request := m.request(from)
	for answers < 10*m.segments {
		if slices.IndexFunc(request.Partitions, func(p fetch.Partition) bool { return p.Offset < record.Offset(m.segments) }) < 0 {
			return answers, first
		}
		answers++
		var hungry, fed []fetch.Partition
		for i, got := range r.Fetch(t.Context(), request) {
			p := request.Partitions[i]
			if got.Err != nil {
				t.Fatal(got.Err)
			}
			if got.Size() == 0 {
				hungry = append(hungry, p)
				continue
			}
			if first[p.Partition] == 0 {
				first[p.Partition] = answers
			}
			for b, err := range record.Batches(got.Batches) {
				h, bad := record.ReadHeader(b)
				if err != nil || bad != nil || h.BaseOffset != p.Offset {
					t.Fatalf("partition %d at %d: a batch at %d, %v", p.Partition, p.Offset, h.BaseOffset, err)
				}
				p.Offset++
			}
			fed = append(fed, p)
		}
		request.Partitions = slices.Concat(hungry, fed)
	}
	t.Fatalf("not through after %d answers", answers)
	return 0, nil
}

func TestDivide_ASegmentOfManyPartitionsIsLoadedAboutOnce(t *testing.T) {
	even := slices.Repeat([]int{1000}, 100)
	uneven := slices.Clone(even)
	for i := range uneven {
		uneven[i] = 100 + 40*i
	}
	for name, sizes := range map[string][]int{"even": even, "uneven": uneven} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, f *fixture) {
				m := f.many(48, sizes...)
				r := newReader(f.b, f.Disk, int64(12*m.bytes()))
				answers, _ := m.readAll(t, r, make([]record.Offset, len(sizes)))
				if n := r.gets(); n > int64(m.segments)*5/4 {
					t.Errorf("%d GETs for %d segments, in %d answers", n, m.segments, answers)
				}
				if answers > m.segments/3 {
					t.Errorf("%d answers of %d segments each", answers, 6)
				}
			})
		})
	}
}

func TestDivide_OneThatIsFarBehindHoldsUpNobody(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		m := f.many(40, slices.Repeat([]int{1000}, 20)...)
		from := slices.Repeat([]record.Offset{35}, 20)
		from[0] = 0
		r := newReader(f.b, f.Disk, int64(12*m.bytes()))
		_, first := m.readAll(t, r, from)
		for i, n := range first {
			if n > 2 {
				t.Errorf("partition %d had to wait for answer %d", i, n)
			}
		}
	})
}

func TestDivide_SettledDataThatAnAnswerHasNoRoomForIsNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLibrary(t)
		disk := l.gibibytes(1)
		l.publish()
		r := newReader(l.Instance("a", coretest.Options{}).Ready(), disk, 64<<20)
		request := fetch.Request{BytesMin: 1, BytesMax: segment.BlockBytes}
		for i := range record.Offset(4) {
			request.Partitions = append(request.Partitions, fetch.Partition{TopicPartition: l.tp, Offset: 10 * i * blockRecords, BytesMax: segment.BlockBytes})
		}
		var got []fetch.Result
		if n := r.spent(func() { got = r.Fetch(t.Context(), request) }); n > 3 { // root, page, block
			t.Errorf("%d GETs", n)
		}
		for i := range got {
			if (got[i].Size() > 0) != (i == 0) || got[i].Err != nil {
				t.Errorf("answer %d has %d bytes, %v", i, got[i].Size(), got[i].Err)
			}
		}
	})
}

func TestDivide_WhoIsFirstGetsABatchWhereThereIsRoomForNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLibrary(t)
		disk := l.gibibytes(1)
		l.publish()
		in := l.Instance("a", coretest.Options{}).Ready()
		fresh := record.TopicPartition{Topic: l.CreateTopic("fresh", 1)}
		in.MustProduce(coretest.Plain(fresh, "x"))
		r := newReader(in, disk, 64<<20)
		for _, order := range [][]record.TopicPartition{{l.tp, fresh}, {fresh, l.tp}} {
			request := fetch.Request{BytesMin: 1, BytesMax: 1}
			for _, tp := range order {
				request.Partitions = append(request.Partitions, fetch.Partition{TopicPartition: tp, BytesMax: 1})
			}
			got := r.Fetch(t.Context(), request)
			if got[0].Size() == 0 || got[1].Size() != 0 || got[0].Err != nil || got[1].Err != nil {
				t.Errorf("%d bytes, %v; %d bytes, %v", got[0].Size(), got[0].Err, got[1].Size(), got[1].Err)
			}
		}
	})
}
