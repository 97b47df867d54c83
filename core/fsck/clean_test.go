package fsck_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/fsck"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/record"
)

func TestCheck_AcceptsAWholeCluster(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		for _, deep := range []bool{false, true} {
			r := f.check(deep)
			for _, x := range r.Findings {
				if x.Severity != fsck.Note {
					t.Errorf("deep=%v: %s %s %s", deep, x.Kind, x.Where, x.What)
				}
			}
			c := r.Counts
			if c.Partitions != 5 || c.Manifests < 2 || c.References < 250 || c.Transactions != 1 || c.Backups != 1 || c.Journals == 0 {
				t.Errorf("deep=%v: looked at too little: %+v", deep, c)
			}
			if deep && (c.DeepBytes < 150_000 || c.DeepStretch < 250) || !deep && c.DeepBytes > 0 {
				t.Errorf("deep=%v: %+v", deep, c)
			}
		}
	})
}

func TestCheck_AcceptsAnOpenTransactionOfAnIDThatKnowsIt(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		f.open()
		if r := f.check(true); r.Harm() {
			t.Errorf("%+v", r.Errors())
		}
		f.checkpoint()
		if r := f.check(true); r.Harm() {
			t.Errorf("%+v", r.Errors())
		}
	})
}

func TestCheck_AcceptsWhatRetentionLeaves(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		for p := range int32(3) {
			end := int64(0)
			f.a.View(func(l *ledger.Ledger) { end = int64(l.Partition(f.tp(p)).Next()) })
			for _, at := range []int64{end / 3, end / 2, end} {
				f.do(func(ctx context.Context) error {
					_, err := f.a.Upkeep.DeleteRecords(ctx, f.tp(p), record.Offset(at))
					return err
				})
				if r := f.check(true); r.Harm() {
					t.Fatalf("partition %d from %d on: %+v", p, at, r.Errors())
				}
			}
		}
	})
}

func TestCheck_TellsWhatNothingRefersToApart(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		id := func(ms int64) ulid.ULID { return ulid.MustNew(uint64(ms), nil) }
		floor, stamp := int64(f.Mark(f.Keys.Floor())), int64(f.Mark(f.Keys.Stamp()))
		f.Put(f.Keys.Stamp(), coordination.Mark(stamp+200_000_000).Bytes())
		f.Put(f.Keys.Floor(), coordination.Mark(floor+190_000_000).Bytes())
		for kind, ms := range map[fsck.Kind]int64{fsck.Young: floor + 195_000_000, fsck.Unreferenced: floor + 180_000_000, fsck.Unswept: floor + 1_000_000, fsck.EarlierEra: floor - 5000} {
			for _, prefix := range []string{ledger.SegmentPrefix, ledger.SharedPrefix, ledger.Folder(ledger.SettledPrefix, f.tp(1)), ledger.Folder(ledger.ColdPrefix, f.tp(4)), "manifests/AAAAAAAAAAAAAAAAAAAAAA/3/"} {
				f.put(prefix+id(ms).String(), []byte("something of that age"))
			}
			_ = kind
		}
		r := f.check(false)
		for _, x := range r.Findings {
			switch x.Kind {
			case fsck.Young, fsck.EarlierEra:
				if x.Objects < 5 {
					t.Errorf("%s: %d objects: %v", x.Kind, x.Objects, x.Keys)
				}
			}
		}
		for _, kind := range []fsck.Kind{fsck.Young, fsck.Unreferenced, fsck.Unswept, fsck.EarlierEra, fsck.ForBackups} {
			if !r.Found(kind) {
				t.Errorf("no %s in %+v", kind, r.Findings)
			}
		}
		if r.Harm() {
			t.Errorf("harm: %+v", r.Errors())
		}
	})
}

func TestCheck_InterruptedSaysWhatItHasSeenAndGoesOnLater(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		n := 0
		s := fsck.Settings{Store: f.Disk, KV: f.Etcd, Cluster: "test", Now: time.Now, Deep: true, Progress: func(stage string, _, _ int) {
			if n++; stage == "reading bytes" && n > 20 {
				cancel()
			}
		}}
		r, err := fsck.New(s).Check(ctx)
		if !errors.Is(err, fsck.ErrInterrupted) || !r.Interrupted || r.Next == "" {
			t.Fatalf("%v, %+v", err, r)
		}
		whole := f.check(true).Counts.DeepStretch
		s.Progress, s.After = nil, r.Next
		rest, err := fsck.New(s).Check(t.Context())
		if err != nil || rest.Harm() {
			t.Fatal(err, rest.Errors())
		}
		if sum := r.Counts.DeepStretch + rest.Counts.DeepStretch; sum < whole || rest.Counts.DeepStretch == whole {
			t.Errorf("%d and %d references of %d", r.Counts.DeepStretch, rest.Counts.DeepStretch, whole)
		}
	})
}

func TestCheck_ASampleReadsAPart(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		s := fsck.Settings{Store: f.Disk, KV: f.Etcd, Cluster: "test", Now: time.Now, Sample: 0.3, Seed: 3}
		r, err := fsck.New(s).Check(t.Context())
		whole := f.check(true).Counts.DeepStretch
		if err != nil || r.Counts.DeepStretch < whole/6 || r.Counts.DeepStretch > whole/2 {
			t.Errorf("%d of %d references: %v", r.Counts.DeepStretch, whole, err)
		}
	})
}
