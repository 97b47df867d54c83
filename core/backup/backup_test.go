package backup_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/backup"
	"github.com/firnlog/firnlog/core/coretest"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/upkeep"
	"github.com/firnlog/firnlog/objectstore"
)

type fixture struct {
	*coretest.Cluster
	t      *testing.T
	in     *coretest.Instance
	tp     record.TopicPartition
	keeper *backup.Keeper
}

func bubble(t *testing.T, fn func(t *testing.T, f *fixture)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		c := coretest.NewCluster(t)
		f := &fixture{Cluster: c, t: t, tp: record.TopicPartition{Topic: c.CreateTopic("t", 4)}}
		f.keeper = f.newKeeper(1, c.Disk)
		f.in = c.Instance("a", coretest.Options{Upkeep: func(s *upkeep.Settings) {
			s.CheckpointAge, s.Lag, s.SweepGrace = 0, 0, 0
			s.Retained, s.Outlived = f.keeper.Retained, f.keeper.Outlived
		}}).Ready()
		synctest.Wait() // its watch is open
		fn(t, f)
	})
}

func (f *fixture) newKeeper(seed byte, store objectstore.Store) *backup.Keeper {
	return backup.New(backup.Settings{
		Store: store, KV: f.Etcd, Cluster: "test", Now: time.Now, Entropy: rand.NewChaCha8([32]byte{seed}), Log: coretest.Quiet(), Holder: "test",
		JournalEvery: 10 * time.Second, BackupEvery: time.Hour, Keep: 2, KeepFor: 3 * time.Hour, LeaseTTL: 15 * time.Second,
	})
}

func (f *fixture) write(k *backup.Keeper) {
	f.t.Helper()
	if err := k.WriteJournal(f.t.Context()); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) do(steps ...func(context.Context) error) {
	f.t.Helper()
	f.in.Barrier()
	f.in.Upkeep.Observe()
	for i, s := range steps {
		if err := s(f.t.Context()); err != nil {
			f.t.Fatalf("step %d: %v", i, err)
		}
	}
}

// pass raises stamp and floor beyond all ids drawn so far.
func (f *fixture) pass() {
	f.t.Helper()
	time.Sleep(2 * time.Second)
	f.do(f.in.Upkeep.RaiseStamp)
	time.Sleep(time.Second)
	f.do(f.in.Upkeep.RaiseStamp, f.in.Upkeep.RaiseFloor)
}

// journals reads all journal objects, oldest first.
func (f *fixture) journals() (headers []backup.Journal, commits int) {
	f.t.Helper()
	names, err := backup.Journals(f.t.Context(), f.Disk, "")
	if err != nil {
		f.t.Fatal(err)
	}
	for _, n := range names {
		h, entries, err := backup.ReadJournal(f.t.Context(), f.Disk, n)
		if err != nil {
			f.t.Fatal(err)
		}
		headers = append(headers, h)
		for _, e := range entries {
			if strings.HasPrefix(e.Key, "log/commits/") {
				commits++
			}
		}
	}
	return headers, commits
}

func (f *fixture) roots() int {
	f.t.Helper()
	roots, err := backup.Roots(f.t.Context(), f.Disk)
	if err != nil {
		f.t.Fatal(err)
	}
	return len(roots)
}

func TestJournal_IsWrittenOnlyWhereThereIsNews(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		f.write(f.keeper)
		if f.roots() != 1 {
			t.Error("no backup to go on from")
		}
		for range 5 {
			f.pass() // stamp and floor are no news
			f.write(f.keeper)
		}
		if headers, _ := f.journals(); len(headers) != 0 {
			t.Errorf("%d objects without news", len(headers))
		}
		f.in.MustProduce(coretest.Plain(f.tp, "x"))
		f.write(f.keeper)
		f.write(f.keeper)
		if headers, commits := f.journals(); len(headers) != 1 || commits != 1 {
			t.Errorf("%d objects, %d commits", len(headers), commits)
		}
	})
}

// Trim does not wait for the journal; etcd's history still has what was trimmed.
func TestJournal_HasCommitsThatWereTrimmedBeforeItWasWritten(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		f.write(f.keeper)
		for range 3 {
			f.in.MustProduce(coretest.Plain(f.tp, "x"))
		}
		f.do(f.in.Upkeep.Checkpoint, f.in.Upkeep.Trim)
		f.pass()
		f.do(f.in.Upkeep.Trim)
		if n := len(f.Items(f.Keys.Commits())); n != 0 {
			t.Fatalf("%d commits left", n)
		}
		f.write(f.keeper)
		if _, commits := f.journals(); commits != 3 || f.roots() != 1 {
			t.Errorf("%d commits journaled, %d backups", commits, f.roots())
		}
	})
}

func TestJournal_WhereHistoryIsCompactedABackupTakesItsPlace(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		f.write(f.keeper)
		f.in.MustProduce(coretest.Plain(f.tp, "x"))
		if err := f.Etcd.Compact(t.Context(), f.Put(f.Keys.Lease("other"), nil)); err != nil {
			t.Fatal(err)
		}
		f.write(f.keeper)
		if headers, _ := f.journals(); len(headers) != 0 || f.roots() != 2 {
			t.Errorf("%d objects, %d backups", len(headers), f.roots())
		}
		f.in.MustProduce(coretest.Plain(f.tp, "y"))
		f.write(f.keeper)
		if headers, commits := f.journals(); len(headers) != 1 || commits != 1 {
			t.Errorf("%d objects, %d commits", len(headers), commits)
		}
	})
}

// Another instance takes over where the last one has stopped; two at once overlap and leave no gap.
func TestJournal_FollowsWithoutAGapWhoeverWritesIt(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		other := f.newKeeper(2, f.Disk)
		f.write(f.keeper)
		for i := range 12 {
			f.in.MustProduce(coretest.Plain(f.tp, "x"))
			time.Sleep(time.Second)
			switch i % 4 {
			case 0, 1:
				f.write(f.keeper)
			case 2:
				f.write(other)
			case 3:
				f.write(f.newKeeper(byte(10+i), f.Disk))
			}
		}
		headers, commits := f.journals()
		slices.SortStableFunc(headers, func(a, b backup.Journal) int { return int(a.From - b.From) })
		through := headers[0].From
		for _, h := range headers {
			if h.From > through {
				t.Errorf("a gap from %d to %d", through, h.From)
			}
			through = max(through, h.Through)
		}
		if f.roots() != 1 || commits < 12 {
			t.Errorf("%d backups, %d commits", f.roots(), commits)
		}
	})
}

// What could not be written is written later; trim and commits go on meanwhile.
func TestJournal_AStoreThatIsAwayHoldsUpNothingAndLosesNothing(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		away := false
		store := objectstore.NewFault(f.Disk, func(objectstore.Op, string) objectstore.Decision {
			if away {
				return objectstore.Decision{Fail: objectstore.FailBefore}
			}
			return objectstore.Decision{}
		}, objectstore.SystemClock())
		k := f.newKeeper(3, store)
		f.write(k)
		away = true
		for range 5 {
			f.in.MustProduce(coretest.Plain(f.tp, "x"))
			if err := k.WriteJournal(t.Context()); err == nil {
				t.Error("written to a store that is away")
			}
			f.do(f.in.Upkeep.Checkpoint)
			f.pass()
			f.do(f.in.Upkeep.Trim)
		}
		if n := len(f.Items(f.Keys.Commits())); n != 0 {
			t.Errorf("%d commits fill etcd", n)
		}
		away = false
		f.write(k)
		if _, commits := f.journals(); commits != 5 || f.roots() != 1 {
			t.Errorf("%d commits journaled, %d backups", commits, f.roots())
		}
	})
}

func TestJournal_RefusesAnEtcdThatWentBack(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		f.write(f.keeper)
		for range 10 {
			f.in.MustProduce(coretest.Plain(f.tp, "x"))
		}
		f.write(f.keeper)
		format := f.Items(f.Keys.Format())[0].Value
		c := coretest.NewCluster(t)
		for key, value := range map[string][]byte{c.Keys.Format(): format, c.Keys.Stamp(): coordination.Mark(1).Bytes(), c.Keys.Floor(): coordination.Mark(1).Bytes()} {
			c.Put(key, value)
		}
		f.Etcd = c.Etcd
		if err := f.newKeeper(4, f.Disk).WriteJournal(t.Context()); !errors.Is(err, backup.ErrPast) {
			t.Errorf("%v, want ErrPast", err)
		}
	})
}

func TestTake_LeavesOutLeasedKeysAndHoldsAllOthers(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		lease, err := f.Etcd.Grant(t.Context(), time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		leased := []coordination.Change{
			coordination.PutLeased(f.Keys.Instance(1), []byte("x"), lease.ID()), coordination.PutLeased(f.Keys.GroupBelow("g")+"members/m", []byte("x"), lease.ID()),
		}
		if _, err := f.Etcd.Commit(t.Context(), nil, leased); err != nil {
			t.Fatal(err)
		}
		want := map[string]bool{}
		for _, key := range []string{f.Keys.Group("g"), f.Keys.GroupOffset("g", "members"), f.Keys.Transaction("a/b"), f.Keys.ProducersNext(), f.Keys.Root() + "users/u"} {
			f.Put(key, []byte(strings.Repeat("v", 500)))
			want[strings.TrimPrefix(key, f.Keys.Root())] = true
		}
		f.in.MustProduce(coretest.Plain(f.tp, "x"))
		f.keeper.PartMax = 1000
		root, err := f.keeper.Take(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		err = root.Each(t.Context(), f.Disk, func(e backup.Entry) error {
			if !strings.HasPrefix(e.Key, "log/") && !want[e.Key] {
				t.Errorf("%s is in the backup", e.Key)
			}
			delete(want, e.Key)
			return nil
		})
		if err != nil || len(want) != 0 || len(root.Parts) < 2 {
			t.Errorf("%v; not in the backup: %v; %d parts", err, want, len(root.Parts))
		}
	})
}

func TestRun_WritesJournalAndBackupsUnderALease(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		go f.keeper.Run(t.Context())
		for range 3 {
			go f.newKeeper(5, f.Disk).Run(t.Context())
		}
		for range 30 {
			f.in.MustProduce(coretest.Plain(f.tp, "x"))
			time.Sleep(time.Second)
		}
		headers, commits := f.journals()
		if len(headers) < 2 || len(headers) > 4 || commits < 15 || f.roots() != 1 {
			t.Errorf("%d objects with %d commits, %d backups in 30 s", len(headers), commits, f.roots())
		}
		time.Sleep(2 * time.Hour)
		if n := f.roots(); n != 3 {
			t.Errorf("%d backups in two hours", n)
		}
	})
}

func TestReadRoot_RefusesWhatIsDamagedOrOfALaterVersion(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		root, err := f.keeper.Take(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		whole, err := f.Disk.Get(t.Context(), backup.RootKey(root.ID), 0, -1)
		if err != nil {
			t.Fatal(err)
		}
		for at := range whole {
			b := slices.Clone(whole)
			b[at] ^= 0x10
			if err := f.Disk.Delete(t.Context(), backup.RootKey(root.ID)); err != nil {
				t.Fatal(err)
			}
			if err := f.Disk.Put(t.Context(), backup.RootKey(root.ID), b); err != nil {
				t.Fatal(err)
			}
			if _, err := backup.ReadRoot(t.Context(), f.Disk, root.ID); !errors.Is(err, backup.ErrCorrupt) {
				t.Fatalf("byte %d changed: %v, want ErrCorrupt", at, err)
			}
		}
	})
}
