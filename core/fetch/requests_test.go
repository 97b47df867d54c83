package fetch_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/firnlog/firnlog/core/coretest"
	"github.com/firnlog/firnlog/core/fetch"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/manifest"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/segment"
	"github.com/firnlog/firnlog/objectstore"
)

const (
	objectBytes  = 64 << 20
	blockRecords = 1000 // offsets of a block
	objectBlocks = objectBytes / segment.BlockBytes
)

// mirage is a bucket with a hundred gigabytes that nobody stored: the batches of a block are made when it is
// asked for, one batch of one record that says its offset, as long as the block.
type mirage struct {
	objectstore.Store
	base map[string]record.Offset // of the objects
	wait time.Duration            // that a GET of a block takes
}

func (m *mirage) Get(ctx context.Context, key string, offset, length int64) ([]byte, error) {
	base, ok := m.base[key]
	if !ok {
		return m.Store.Get(ctx, key, offset, length)
	}
	if offset < 8 || (offset-8)%segment.BlockBytes != 0 || length != segment.BlockBytes {
		return nil, fmt.Errorf("%d bytes from %d of %s is no block: %w", length, offset, key, objectstore.ErrRange)
	}
	time.Sleep(m.wait)
	base += record.Offset((offset-8)/segment.BlockBytes) * blockRecords
	value := make([]byte, segment.BlockBytes-record.HeaderSize-13)
	copy(value, fmt.Sprint(base))
	b, err := record.NewBatch(record.Settings{}).Append(stampAt(base), nil, value).Seal()
	if err != nil || len(b) != segment.BlockBytes {
		return nil, fmt.Errorf("a batch of %d bytes: %w", len(b), err)
	}
	binary.BigEndian.PutUint32(b[23:], blockRecords-1) // last offset delta: the others were compacted away
	record.Stamp(b, base)
	return b, nil
}

func stampAt(offset record.Offset) int64 { return 1_700_000_000_000 + int64(offset)*10 }

// gibibytes makes a partition of so many, in objects of 64 MiB, spilled 16 at a time.
func (l *library) gibibytes(n int) *mirage {
	m := &mirage{Store: l.Disk, base: map[string]record.Offset{}}
	var lists [][]manifest.Entry
	at := record.Offset(0)
	for range n {
		var list []manifest.Entry
		for range (1 << 30) / objectBytes {
			e := manifest.Entry{Span: ledger.Span{Place: ledger.InOwn, Tier: 4, Segment: l.id(), Position: 8, Length: objectBytes, Base: at}}
			for range objectBlocks {
				e.MaxTimestamp = stampAt(at)
				at += blockRecords
				e.Blocks = append(e.Blocks, segment.Block{Length: segment.BlockBytes, End: at, MaxTimestamp: e.MaxTimestamp})
			}
			e.End = at
			m.base[e.Key(l.tp)] = e.Base
			list = append(list, e)
		}
		lists = append(lists, list)
	}
	l.archive(nil, lists...)
	return m
}

// spent counts the GETs of fn.
func (r reader) spent(fn func()) int64 {
	before := r.gets()
	fn()
	synctest.Wait()
	return r.gets() - before
}

func firstOf(t *testing.T, r fetch.Result) record.Offset {
	t.Helper()
	if r.Err != nil {
		t.Fatal(r.Err)
	}
	h, err := record.ReadHeader(r.Batches)
	if err != nil {
		t.Fatal(err)
	}
	return h.BaseOffset
}

func TestFetch_OpenAndSeekAnywhereInAHundredGibibytesAreThreeGETsColdAndOneWarm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLibrary(t)
		disk := l.gibibytes(100)
		l.publish()
		in := l.Instance("a", coretest.Options{}).Ready()
		random := rand.New(rand.NewPCG(1, 2))
		warm := newReader(in, disk, 32<<20)
		for i := range 30 {
			cold := newReader(in, disk, 32<<20)
			at := record.Offset(random.Int64N(int64(l.head.Next)))
			if i < 2 {
				at = []record.Offset{0, l.head.Next - 1}[i]
			}
			want := at / blockRecords * blockRecords
			check := func(what string, r reader, most int64, do func() record.Offset) {
				t.Helper()
				var got record.Offset
				if n := r.spent(func() { got = do() }); n > most {
					t.Errorf("%s at %d: %d GETs, at most %d", what, at, n, most)
				}
				if got != want {
					t.Errorf("%s at %d: batch at %d, want %d", what, at, got, want)
				}
			}
			seek := func(r reader) func() record.Offset {
				return func() record.Offset { return firstOf(t, r.read(t, l.tp, at, 50<<20, true)) }
			}
			time := func(r reader) func() record.Offset {
				return func() record.Offset {
					found, err := r.AtTime(t.Context(), l.tp, stampAt(want), true)
					if err != nil {
						t.Fatal(err)
					}
					return found.Offset
				}
			}
			check("seek, cold", cold, 3, seek(cold))
			check("seek, again", cold, 0, seek(cold))
			cold = newReader(in, disk, 32<<20)
			check("time, cold", cold, 3, time(cold))
			if i > 20 { // by now every page was seen
				check("seek, warm", warm, 1, seek(warm))
			} else {
				check("seek", warm, 3, seek(warm))
			}
			if held := warm.archive.Held(); held > 1<<20 {
				t.Fatalf("%d bytes of manifests in memory, the limit is 1 MiB", held)
			}
		}
		cold := newReader(in, disk, 32<<20)
		if n := cold.spent(func() {
			if found, err := cold.MaxTimestamp(t.Context(), l.tp); err != nil || found.Offset != l.head.Next-blockRecords {
				t.Errorf("latest: %+v, %v", found, err)
			}
		}); n > 3 {
			t.Errorf("latest: %d GETs", n)
		}
	})
}

func TestFetch_CatchUpIsAGETForEachBlockAndReadAhead(t *testing.T) {
	for _, bytesMax := range []int{1 << 20, 10 << 20} {
		synctest.Test(t, func(t *testing.T) {
			l := newLibrary(t)
			disk := l.gibibytes(20) // more than a page
			disk.wait = time.Millisecond
			l.publish()
			in := l.Instance("a", coretest.Options{}).Ready()
			r := newReader(in, disk, 64<<20)
			const blocks = 64
			from := l.head.Next - (64*objectBlocks+blocks/2)*blockRecords // over the end of the page
			at, waited := from, 0
			for end := from + blocks*blockRecords; at < end; {
				began := time.Now()
				got := r.read(t, l.tp, at, bytesMax, false)
				if firstOf(t, got) != at {
					t.Fatalf("at %d: batch at %d", at, firstOf(t, got))
				}
				if time.Since(began) > 0 {
					waited++
				}
				at += record.Offset(len(got.Batches)/segment.BlockBytes) * blockRecords
				time.Sleep(2 * disk.wait) // of the bubble: what is read ahead has come
			}
			read := int64(at-from) / blockRecords
			if n := r.gets(); n > read+10 {
				t.Errorf("%d GETs for %d blocks", n, read)
			}
			if bytesMax < segment.BlockBytes && waited > 3 { // the first, and where the reader was not known yet
				t.Errorf("%d answers waited for a GET: nothing was read ahead", waited)
			}
			t.Logf("%d bytes at a time: %d GETs for %d blocks of 4 MiB", bytesMax, r.gets(), read)
		})
	}
}

func TestFetch_ReadersOfOneBlockShareOneGET(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLibrary(t)
		disk := l.gibibytes(1)
		l.publish()
		in := l.Instance("a", coretest.Options{}).Ready()
		r := newReader(in, disk, 32<<20)
		answers := make(chan fetch.Result, 8)
		for range cap(answers) {
			go func() { answers <- r.read(t, l.tp, 4500, 1<<20, false) }()
		}
		for range cap(answers) {
			if at := firstOf(t, <-answers); at != 4000 {
				t.Errorf("batch at %d", at)
			}
		}
		if n := r.gets(); n != 2 {
			t.Errorf("%d GETs, want the root and the block", n)
		}
	})
}

// filled makes batches of a MiB each.
func (l *library) filled(base record.Offset, n int) (out [][]byte) {
	for i := range n {
		out = append(out, l.plain(base+record.Offset(i), 1000+int64(i), strings.Repeat("x", 1<<20)))
	}
	return out
}

func TestFetch_OfASettledSpanInTheHeadJustTheSpanIsRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLibrary(t)
		short := l.settle(ledger.InShared, 0, 10, l.plain(0, 5, "a", "b"), l.plain(4, 6, "c"))
		long := l.settle(ledger.InOwn, 10, 30, l.filled(10, 12)...)
		l.refer(short, long)
		l.publish()
		in := l.Instance("a", coretest.Options{}).Ready()
		r := newReader(in, l.Disk, 32<<20)
		before := r.meter.Snapshot().Get.BytesIn
		if n := r.spent(func() { r.read(t, l.tp, 1, 1, false) }); n != 1 {
			t.Errorf("short span: %d GETs, want 1", n)
		}
		if n := r.meter.Snapshot().Get.BytesIn - before; n != short.Length {
			t.Errorf("short span: %d bytes read, it has %d", n, short.Length)
		}
		before = r.meter.Snapshot().Get.BytesIn
		if n := r.spent(func() {
			if at := firstOf(t, r.read(t, l.tp, 15, 50<<20, false)); at != 15 {
				t.Errorf("batch at %d", at)
			}
		}); n != 2 {
			t.Errorf("long span: %d GETs, want its index and a block", n)
		}
		if n := r.meter.Snapshot().Get.BytesIn - before; n > segment.BlockBytes+(1<<20)+segment.TailBytes {
			t.Errorf("long span: %d bytes read", n)
		}
		if n := r.spent(func() { r.read(t, l.tp, 20, 1, false) }); n != 1 {
			t.Errorf("another block: %d GETs, want 1", n)
		}
		got := r.readOn(t, l.tp, 0, 1<<20)
		if len(got) != 15 {
			t.Errorf("%d records, want 15", len(got))
		}
		found, err := newReader(in, l.Disk, 32<<20).AtTime(t.Context(), l.tp, 1011, false)
		if err != nil || found.Offset != 21 {
			t.Errorf("by time: %+v, %v", found, err)
		}
		synctest.Wait()
	})
}
