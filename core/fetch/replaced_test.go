package fetch_test

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/firnlog/firnlog/core/coretest"
	"github.com/firnlog/firnlog/core/fetch"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/manifest"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/objectstore"
)

// Anomaly 15: what is aborted is told with the data, whether the manifest has it, its root, or the head; as of one plan.
func TestAnomaly15_AbortedTransactionsComeFromWhereTheDataComesFrom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLibrary(t)
		// Producer 1: 0 to 5, within the first spill. Producer 2: 2 to 25, over both. Producer 3: 21 to 41, ends behind the manifest.
		// Producer 4: commits.
		all := []ledger.Aborted{{Producer: 1, First: 0, Last: 5}, {Producer: 2, First: 2, Last: 25}, {Producer: 3, First: 21, Last: 41}}
		one := l.settle(ledger.InOwn, 0, 10, l.transactional(0, 1, "a", "a"), l.transactional(2, 2, "a"), l.marker(5, 1, false), l.transactional(6, 4, "c"))
		two := l.settle(ledger.InOwn, 10, 20, l.marker(10, 4, true), l.plain(11, 5, "p"))
		three := l.settle(ledger.InOwn, 20, 30, l.transactional(21, 3, "a"), l.marker(25, 2, false))
		l.archive(all[:2], []manifest.Entry{one, two}, []manifest.Entry{three})
		four := l.settle(ledger.InShared, 30, 45, l.plain(30, 5, "p"), l.marker(41, 3, false), l.plain(42, 6, "p"))
		l.refer(four)
		l.head.Aborted = all[2:]
		l.publish()
		in := l.Instance("a", coretest.Options{}).Ready()
		for _, bytesMax := range []int{1, 1 << 20} {
			r := newReader(in, l.Disk, 1<<20)
			for from := record.Offset(0); from < 45; from++ {
				got := r.read(t, l.tp, from, bytesMax, true)
				if got.Err != nil || len(got.Batches) == 0 && from <= 42 {
					t.Fatalf("from %d: %d bytes, %v", from, len(got.Batches), got.Err)
				}
				end := record.Offset(0)
				for b := range record.Batches(got.Batches) {
					h, _ := record.ReadHeader(b)
					end = h.LastOffset() + 1
				}
				var want []fetch.Aborted
				for _, a := range all {
					if a.Last >= from && a.First < end {
						want = append(want, fetch.Aborted{Producer: a.Producer, First: a.First})
					}
				}
				if !slices.Equal(got.Aborted, want) {
					t.Errorf("from %d to %d: aborted %v, want %v", from, end, got.Aborted, want)
				}
			}
			if got := r.read(t, l.tp, 0, 1<<20, false); got.Aborted != nil {
				t.Errorf("uncommitted: %v", got.Aborted)
			}
		}
		synctest.Wait()
	})
}

// Anomaly 32: between plan and GET maintenance put other objects in the place of root, page, block or span, and swept the old ones; also
// several times, each before the barrier of the look before has passed, as where the instance is cut off for a while.
func TestAnomaly32_SettledDataThatWasReplacedIsFollowed(t *testing.T) {
	for _, gone := range []string{"manifests/", "manifests/ again", "settled/", "settled/ again"} {
		gone, again := strings.CutSuffix(gone, " again")
		synctest.Test(t, func(t *testing.T) {
			l := newLibrary(t)
			list := func(place ledger.Place) (out []manifest.Entry) {
				for i := range record.Offset(300) {
					out = append(out, l.settle(place, i, i+1, l.plain(i, int64(i), "x")))
				}
				return out
			}
			l.archive(nil, list(ledger.InOwn))
			l.publish()
			in := l.Instance("a", coretest.Options{}).Ready()
			var mu sync.Mutex
			left := 1
			if again {
				left = 4
			}
			faulty := objectstore.NewFault(l.Disk, func(op objectstore.Op, key string) objectstore.Decision {
				if op == objectstore.OpGet && len(key) > len(gone) && key[:len(gone)] == gone {
					mu.Lock()
					defer mu.Unlock()
					if left--; left >= 0 {
						var old []string
						for _, prefix := range []string{"manifests/", "settled/"} {
							infos, err := l.Disk.List(t.Context(), prefix, "", 1000)
							if err != nil {
								t.Error(err)
							}
							for _, o := range infos {
								old = append(old, o.Key)
							}
						}
						l.archive(nil, list([]ledger.Place{ledger.InCold, ledger.InOwn}[min(left, 1)]))
						l.publish()
						if err := l.Disk.Delete(t.Context(), old...); err != nil {
							t.Error(err)
						}
					}
				}
				return objectstore.Decision{}
			}, objectstore.SystemClock())
			r := newReader(in, faulty, 1<<20)
			if at := firstOf(t, r.read(t, l.tp, 100, 1, false)); at != 100 {
				t.Errorf("%s: batch at %d", gone, at)
			}
			if found, err := r.AtTime(t.Context(), l.tp, 200, false); err != nil || found.Offset != 200 {
				t.Errorf("%s: by time %+v, %v", gone, found, err)
			}
			if got := r.readOn(t, l.tp, 0, 1<<20); len(got) != 300 {
				t.Errorf("%s: %d records", gone, len(got))
			}
			synctest.Wait()
		})
	}
}

// Anomaly 32: what is lost for good is a storage error, found after one more look, and of its partition alone.
func TestAnomaly32_ALostOrDamagedManifestOrBlockIsAStorageErrorOfItsPartition(t *testing.T) {
	for _, what := range []string{"root lost", "page lost", "object lost", "root damaged", "object damaged"} {
		synctest.Test(t, func(t *testing.T) {
			l := newLibrary(t)
			var list []manifest.Entry
			for i := range record.Offset(300) {
				list = append(list, l.settle(ledger.InOwn, i, i+1, l.plain(i, int64(i), "needle")))
			}
			l.archive(nil, list)
			l.publish()
			root := l.head.Manifest.Key(l.tp)
			infos, err := l.Disk.List(t.Context(), "manifests/", "", 10)
			if err != nil || len(infos) != 2 {
				t.Fatalf("%v, %v", infos, err)
			}
			f := &fixture{Cluster: l.Cluster}
			switch what {
			case "root lost":
				err = l.Disk.Delete(t.Context(), root)
			case "page lost":
				err = l.Disk.Delete(t.Context(), infos[0].Key)
			case "object lost":
				err = l.Disk.Delete(t.Context(), list[0].Key(l.tp))
			case "root damaged":
				f.corrupt(t, root, "FIRNROOT", 20)
			case "object damaged":
				f.corrupt(t, list[0].Key(l.tp), "needle", -record.HeaderSize-6+3) // its base offset
			}
			if err != nil {
				t.Fatal(err)
			}
			in := l.Instance("a", coretest.Options{}).Ready()
			other := record.TopicPartition{Topic: l.tp.Topic, Partition: 1}
			in.MustProduce(coretest.Plain(other, "here"))
			in.Barrier()
			r := newReader(in, l.Disk, 1<<20)
			l.Transcript()
			got := r.Fetch(t.Context(), request(l.tp, other))
			if !errors.Is(got[0].Err, fetch.ErrStorage) {
				t.Errorf("%s: %v, want ErrStorage", what, got[0].Err)
			}
			if got[1].Err != nil || len(got[1].Batches) == 0 {
				t.Errorf("%s: its neighbour: %+v", what, got[1])
			}
			if n := count(l.Transcript(), "a kv get"); n > 1 {
				t.Errorf("%s: %d barriers", what, n)
			}
			if _, err := r.AtTime(t.Context(), l.tp, 0, false); !errors.Is(err, fetch.ErrStorage) {
				t.Errorf("%s: by time: %v, want ErrStorage", what, err)
			}
		})
	}
}

// Anomaly 20: a slow manifest delays its own partition.
func TestAnomaly20_ASlowManifestDoesNotHoldUpThePartitionsThatHaveData(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLibrary(t)
		l.archive(nil, []manifest.Entry{l.settle(ledger.InOwn, 0, 1, l.plain(0, 1, "slow"))})
		l.publish()
		in := l.Instance("a", coretest.Options{}).Ready()
		other := record.TopicPartition{Topic: l.tp.Topic, Partition: 1}
		in.MustProduce(coretest.Plain(other, "fast"))
		in.Barrier()
		slow := objectstore.NewFault(l.Disk, func(op objectstore.Op, key string) objectstore.Decision {
			if key == l.head.Manifest.Key(l.tp) {
				return objectstore.Decision{Delay: time.Minute}
			}
			return objectstore.Decision{}
		}, objectstore.SystemClock())
		r := newReader(in, slow, 1<<20)
		start := time.Now()
		got := r.Fetch(t.Context(), request(l.tp, other))
		if took := time.Since(start); took > 2*time.Second {
			t.Errorf("took %v", took)
		}
		if got[0].Err != nil || len(got[0].Batches) != 0 || len(got[1].Batches) == 0 {
			t.Errorf("slow: %+v, fast: %+v", got[0], got[1])
		}
		if got := r.Fetch(t.Context(), request(l.tp)); len(got[0].Batches) == 0 {
			t.Errorf("alone: %+v", got[0])
		}
	})
}
