package fetch_test

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/firnlog/firnlog/core/coretest"
	"github.com/firnlog/firnlog/core/fetch"
	"github.com/firnlog/firnlog/core/ingest"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/record"
)

// mixed are batches of partitions 0 to n-1, small and large, each partition with some.
func (f *fixture) mixed(n int) (out []ingest.Incoming) {
	dice := rand.New(rand.NewPCG(1, 2))
	for i := range 3 * n {
		size := []int{10, 4000, 5000, 40_000}[dice.IntN(4)]
		out = append(out, coretest.Plain(f.part(i%n), strings.Repeat(string(rune('a'+i%26)), size), "and one more"))
	}
	return out
}

func inPieces(r fetch.Request) fetch.Request {
	r.InPieces = true
	return r
}

// after is a request for what follows the first record: batches at offset 0 bear that offset already, as producers send them.
func after(parts ...record.TopicPartition) fetch.Request {
	r := inPieces(request(parts...))
	for i := range r.Partitions {
		r.Partitions[i].Offset = 1
	}
	return r
}

// begun has one record in each of the partitions 0 to n-1.
func (f *fixture) begun(n int) {
	var batches []ingest.Incoming
	for _, tp := range all(n, f) {
		batches = append(batches, coretest.Plain(tp, "first"))
	}
	f.a.MustProduce(batches...)
}

func all(n int, f *fixture) (out []record.TopicPartition) {
	for i := range n {
		out = append(out, f.part(i))
	}
	return out
}

// TestFetch_PiecesAreWhatACopyWouldBe on who wrote the batches and on who loads the segment, whatever the limits and where it begins.
func TestFetch_PiecesAreWhatACopyWouldBe(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		f.a.MustProduce(f.mixed(7)...)
		f.a.MustProduce(f.mixed(7)...)
		f.b.Barrier()
		referred := false
		for _, in := range []*coretest.Instance{f.a, f.b} {
			for _, limit := range []int{1, 3000, 30_000, 100_000, 1 << 20} {
				for from := range record.Offset(5) {
					r := request(all(7, f)...)
					for i := range r.Partitions {
						r.Partitions[i].BytesMax, r.Partitions[i].Offset = limit, from
					}
					want, got := in.Fetch.Fetch(t.Context(), r), in.Fetch.Fetch(t.Context(), inPieces(r))
					for i := range want {
						joined := bytes.Join(got[i].Pieces, nil)
						if got[i].Err != nil || got[i].Batches != nil || !bytes.Equal(joined, want[i].Batches) {
							t.Fatalf("%s, partition %d from %d, at most %d bytes: %d bytes in %d pieces and %d others, want the same %d; %v", in.Name, i, from, limit, len(joined), len(got[i].Pieces), len(got[i].Batches), len(want[i].Batches), got[i].Err)
						}
						if got[i].Size() != len(joined) || want[i].Held != len(joined) {
							t.Fatalf("size %d, held %d", got[i].Size(), want[i].Held)
						}
						coretest.Records(t, joined)
						referred = referred || len(got[i].Pieces) > 1
					}
				}
			}
		}
		if !referred {
			t.Error("nothing was referred to")
		}
		for _, key := range f.Objects() {
			stored, err := f.Disk.Get(t.Context(), key, 0, -1)
			if err != nil {
				t.Fatal(err)
			}
			for _, in := range []*coretest.Instance{f.a, f.b} {
				if o, ok := in.Cache.Lookup(key); !ok || !bytes.Equal(bytes.Join(o.Range(0, o.Size()), nil), stored) {
					t.Errorf("%s: %s in the cache is not what is stored", in.Name, key)
				}
			}
		}
	})
}

// TestFetch_PiecesStayAsTheyAreWhenTheirObjectIsEvicted: who is slow to send them sends what was stored, whatever the cache does meanwhile.
func TestFetch_PiecesStayAsTheyAreWhenTheirObjectIsEvicted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := coretest.NewCluster(t)
		f := &fixture{Cluster: c, tp: record.TopicPartition{Topic: c.CreateTopic("t", 100)}}
		f.a = c.Instance("a", coretest.Options{CacheBytes: 400 << 10}).Ready()
		f.b = c.Instance("b", coretest.Options{CacheBytes: 400 << 10}).Ready()
		synctest.Wait()
		f.begun(2)
		f.a.MustProduce(coretest.Plain(f.part(0), strings.Repeat("x", 100_000)), coretest.Plain(f.part(1), strings.Repeat("y", 100_000)))
		f.b.Barrier()
		for _, in := range []*coretest.Instance{f.a, f.b} {
			held := in.Fetch.Fetch(t.Context(), after(f.part(0), f.part(1)))
			before := []string{string(bytes.Join(held[0].Pieces, nil)), string(bytes.Join(held[1].Pieces, nil))}
			if len(held[0].Pieces) < 2 {
				t.Fatalf("%s: %d pieces, want the head of the batch and the batch itself", in.Name, len(held[0].Pieces))
			}
			_, missesBefore, _ := in.Cache.Stats()
			for range 8 { // each reads and writes as much as the cache holds
				f.a.MustProduce(coretest.Plain(f.part(2), strings.Repeat("z", 200_000)), coretest.Plain(f.part(0), strings.Repeat("w", 100_000)))
				f.b.Barrier()
				for i := range 3 {
					in.ReadAll(f.part(i))
				}
			}
			if _, misses, _ := in.Cache.Stats(); misses == missesBefore {
				t.Errorf("%s: nothing was evicted", in.Name)
			}
			for i := range before {
				if now := string(bytes.Join(held[i].Pieces, nil)); now != before[i] {
					t.Errorf("%s: partition %d: what is being sent has changed", in.Name, i)
				}
			}
		}
	})
}

// TestFetch_WhoKeepsAnAnswerKeepsAtMostFourTimesItsSize: of an object that is mostly of others a part is copied.
func TestFetch_WhoKeepsAnAnswerKeepsAtMostFourTimesItsSize(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		f.begun(12)
		var batches []ingest.Incoming
		for i := range 12 {
			batches = append(batches, coretest.Plain(f.part(i), strings.Repeat("x", 50_000)))
		}
		f.a.MustProduce(batches...)
		f.b.Barrier()
		for n := 1; n <= 12; n++ {
			size, held, pieces := 0, 0, 0
			for _, r := range f.b.Fetch.Fetch(t.Context(), after(all(n, f)...)) {
				size, held, pieces = size+r.Size(), held+r.Held, pieces+len(r.Pieces)
			}
			if referred := pieces == 2*n; held > 4*size+stampsOf(n) || held < size || referred != (n > 3) {
				t.Errorf("%d of 12 partitions: %d bytes in %d pieces keep %d", n, size, pieces, held)
			}
		}
	})
}

func stampsOf(batches int) int { return 16 * batches }

// TestFetch_ABatchKeepsTheRequestThatItCameIn: the memory of a large request is kept by each batch of it.
func TestFetch_ABatchKeepsTheRequestThatItCameIn(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		f.begun(2)
		small, large := coretest.Plain(f.part(0), strings.Repeat("x", 50_000)), coretest.Plain(f.part(1), strings.Repeat("x", 50_000))
		small.Keeps, large.Keeps = 60_000, 400_000
		f.a.MustProduce(small)
		f.a.MustProduce(large)
		for i, referred := range []bool{true, false} {
			r := f.a.Fetch.Fetch(t.Context(), after(f.part(i)))[0]
			if got := len(r.Pieces) == 2; got != referred || referred && r.Held != 60_000+16 || !referred && r.Held != r.Size() {
				t.Errorf("partition %d: %d bytes in %d pieces, %d held", i, r.Size(), len(r.Pieces), r.Held)
			}
		}
	})
}

// TestFetch_WhereThereIsNoRoomForObjectsBatchesAreCopied, and what is held is what was asked for.
func TestFetch_WhereThereIsNoRoomForObjectsBatchesAreCopied(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		f.begun(2)
		f.a.MustProduce(coretest.Plain(f.part(0), strings.Repeat("x", 50_000)), coretest.Plain(f.part(1), strings.Repeat("x", 40_000)))
		f.b.Barrier()
		r := after(f.part(0))
		var asked []int
		r.Reserve = func(want int) int {
			asked = append(asked, want)
			return min(want, 60_000)
		}
		got := f.b.Fetch.Fetch(t.Context(), r)[0]
		if len(got.Pieces) != 1 || got.Held != got.Size() || asked[len(asked)-1] != got.Size() || len(asked) != 3 {
			t.Errorf("%d bytes in %d pieces, %d held, after asking for %d", got.Size(), len(got.Pieces), got.Held, asked)
		}
	})
}

// TestFetch_SettledBatchesThatFollowEachOtherAreOnePiece: they bear their offsets, so nothing of them is copied.
func TestFetch_SettledBatchesThatFollowEachOtherAreOnePiece(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLibrary(t)
		var batches [][]byte
		for i := range 20 {
			batches = append(batches, l.plain(record.Offset(i), 1000, strings.Repeat("x", 700)))
		}
		e := l.settle(ledger.InOwn, 0, 20, batches...)
		l.refer(e)
		l.publish()
		in := l.Instance("a", coretest.Options{}).Ready()
		r := inPieces(request(l.tp))
		r.Partitions[0].Offset = 3
		got := in.Fetch.Fetch(t.Context(), r)[0]
		if want := bytes.Join(batches[3:], nil); got.Err != nil || len(got.Pieces) != 1 || !bytes.Equal(got.Pieces[0], want) || got.Held != int(e.Length) {
			t.Errorf("%d pieces of %d bytes, %d held, %v; want one of %d, held %d", len(got.Pieces), got.Size(), got.Held, got.Err, len(want), e.Length)
		}
		if n := cap(got.Pieces[0]) - len(got.Pieces[0]); n != 0 {
			t.Errorf("who appends to a piece writes over %d bytes behind it", n)
		}
	})
}
