package fetch_test

import (
	"slices"
	"testing"
	"time"

	"github.com/firnlog/firnlog/core/coretest"
	"github.com/firnlog/firnlog/core/fetch"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/txn"
)

// transactional gives a producer of the transactional id "x".
func (f *fixture) transactional() txn.Identity {
	f.T.Helper()
	who, err := f.a.Txns.Init(f.T.Context(), "x", 60_000, txn.Identity{Producer: -1, Epoch: -1})
	if err != nil {
		f.T.Fatal(err)
	}
	return who
}

func (f *fixture) end(who txn.Identity, commit bool) txn.Identity {
	f.T.Helper()
	now, err := f.a.Txns.End(f.T.Context(), "x", who, commit, true)
	if err != nil {
		f.T.Fatal(err)
	}
	return now
}

func (f *fixture) isolated(in *coretest.Instance, from record.Offset, committed bool) fetch.Result {
	f.T.Helper()
	in.Barrier()
	r := request(f.tp)
	r.Partitions[0].Offset, r.ReadCommitted = from, committed
	return in.Fetch.Fetch(f.T.Context(), r)[0]
}

func TestFetch_ReadCommittedEndsWhereAnOpenTransactionBegins(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		who := f.transactional()
		open := coretest.Transactional("x", f.tp, who.Producer, who.Epoch, 0, "open")
		f.a.MustProduce(coretest.Plain(f.tp, "before"), open, coretest.Plain(f.tp, "after")) // one span
		for _, in := range []*coretest.Instance{f.a, f.b} {
			r := f.isolated(in, 0, true)
			if got := coretest.Records(t, r.Batches); len(got) != 1 || got[0].Value != "before" || r.LastStable != 1 || r.HighWatermark != 3 || len(r.Aborted) != 0 {
				t.Errorf("%s: %v, stable %d, high %d, aborted %v", in.Name, got, r.LastStable, r.HighWatermark, r.Aborted)
			}
			if got := coretest.Records(t, f.isolated(in, 0, false).Batches); len(got) != 3 {
				t.Errorf("%s, uncommitted: %v", in.Name, got)
			}
			if r := f.isolated(in, 2, true); r.Err != nil || len(r.Batches) != 0 {
				t.Errorf("%s, beyond the last stable offset: %d bytes, %v", in.Name, len(r.Batches), r.Err)
			}
		}
	})
}

// Anomaly 15: what is aborted is told with the data, whether the log has it from commits or from a head.
func TestFetch_TellsTheAbortedTransactionsOfWhatItGives(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		who := f.transactional()
		f.a.MustProduce(coretest.Transactional("x", f.tp, who.Producer, who.Epoch, 0, "0", "1"))
		next := f.end(who, false) // marker at 2
		f.a.MustProduce(coretest.Plain(f.tp, "3"), coretest.Transactional("x", f.tp, next.Producer, next.Epoch, 0, "4"))
		f.end(next, true) // marker at 5
		covered := f.Instance("covered", coretest.Options{Upkeep: eager})
		check := func(when string, in *coretest.Instance) {
			t.Helper()
			for from, want := range map[record.Offset][]fetch.Aborted{0: {{Producer: who.Producer, First: 0}}, 1: {{Producer: who.Producer, First: 0}}, 2: {{Producer: who.Producer, First: 0}}, 3: nil} {
				r := f.isolated(in, from, true)
				if r.Err != nil || !slices.Equal(r.Aborted, want) || r.LastStable != 6 {
					t.Errorf("%s from %d: aborted %v, stable %d, %v; want %v", when, from, r.Aborted, r.LastStable, r.Err, want)
				}
				if r := f.isolated(in, from, false); r.Aborted != nil {
					t.Errorf("%s from %d, uncommitted: %v", when, from, r.Aborted)
				}
			}
			var commits []bool
			for b, err := range record.Batches(f.isolated(in, 0, true).Batches) {
				if err != nil {
					t.Fatal(err)
				}
				if h, err := record.Check(b); err != nil {
					t.Fatal(err)
				} else if h.IsControl() {
					m, err := record.ReadMarker(b)
					if err != nil || m.Producer != who.Producer {
						t.Fatalf("%+v, %v", m, err)
					}
					commits = append(commits, m.Commit)
				}
			}
			if !slices.Equal(commits, []bool{false, true}) {
				t.Errorf("%s: markers %v", when, commits)
			}
		}
		check("live", f.b)
		covered.Ready()
		covered.Barrier()
		covered.Upkeep.Observe()
		time.Sleep(time.Second)
		covered.Upkeep.Observe()
		if err := covered.Upkeep.Checkpoint(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := covered.Upkeep.Trim(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, item := range f.Items(f.Keys.Commits()) {
			if len(item.Value) > 0 {
				t.Errorf("%s is not covered", item.Key)
			}
		}
		check("from a head", f.Instance("late", coretest.Options{}).Ready())
		if _, err := covered.Upkeep.DeleteRecords(t.Context(), f.tp, 3); err != nil {
			t.Fatal(err)
		}
		f.b.Barrier()
		f.b.View(func(l *ledger.Ledger) {
			if got := l.Partition(f.tp).AbortedIn(0, 6); len(got) != 0 {
				t.Errorf("after its records were deleted: %v", got)
			}
		})
	})
}

func TestLookups_PassOverMarkers(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		who := f.transactional()
		f.a.MustProduce(coretest.Transactional("x", f.tp, who.Producer, who.Epoch, 0, "0"))
		written := time.Now().UnixMilli()
		time.Sleep(time.Minute / 2)
		f.end(who, true)
		if found, err := f.b.Fetch.MaxTimestamp(t.Context(), f.tp); err != nil || found.Offset != 0 {
			t.Errorf("%+v, %v", found, err)
		}
		if found, err := f.b.Fetch.AtTime(t.Context(), f.tp, written+1000, true); err != nil || found.Offset != -1 {
			t.Errorf("%+v, %v", found, err)
		}
	})
}
