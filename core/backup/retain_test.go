package backup_test

import (
	"strings"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/backup"
	"github.com/firnlog/firnlog/core/coretest"
)

// I8: what a retained backup names is kept, and goes when the backup has gone.
func TestSweep_KeepsWhatARetainedBackupNames(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		f.in.MustProduce(coretest.Plain(f.tp, "x"))
		f.do(f.in.Upkeep.Checkpoint)
		f.write(f.keeper)
		if _, err := f.in.Upkeep.DeleteRecords(t.Context(), f.tp, 1); err != nil {
			t.Fatal(err)
		}
		f.do(f.in.Upkeep.Checkpoint, f.in.Upkeep.Trim)
		f.pass()
		f.do(f.in.Upkeep.Trim, f.in.Upkeep.Sweep)
		if n := len(f.Objects()); n != 1 {
			t.Fatalf("%d segments, want the one that the backup names", n)
		}
		for range 4 {
			time.Sleep(2 * time.Hour)
			if _, err := f.keeper.Take(t.Context()); err != nil {
				t.Fatal(err)
			}
			f.pass()
			f.do(f.in.Upkeep.Sweep)
		}
		f.do(f.in.Upkeep.Sweep)
		if n := len(f.Objects()); n != 0 || f.roots() > 3 {
			t.Errorf("%d segments, %d backups", n, f.roots())
		}
		parts, err := backup.Parts(t.Context(), f.Disk)
		if err != nil || len(parts) != f.roots() {
			t.Errorf("%d parts of %d backups, %v", len(parts), f.roots(), err)
		}
	})
}

// A segment that was committed since the last journal object is kept, whatever has become of it in etcd.
func TestSweep_KeepsWhatTheJournalDoesNotKnowYet(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		f.write(f.keeper)
		f.pass()
		f.in.MustProduce(coretest.Plain(f.tp, "x"))
		if _, err := f.in.Upkeep.DeleteRecords(t.Context(), f.tp, 1); err != nil {
			t.Fatal(err)
		}
		f.do(f.in.Upkeep.Checkpoint, f.in.Upkeep.Trim)
		f.pass()
		f.do(f.in.Upkeep.Trim, f.in.Upkeep.Sweep)
		if n := len(f.Objects()); n != 1 {
			t.Errorf("%d segments, want 1: a restore would look for it", n)
		}
	})
}

func TestOutlived_JournalsGoWithTheBackupsThatNeedThem(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		f.write(f.keeper)
		for range 5 {
			time.Sleep(time.Hour)
			f.in.MustProduce(coretest.Plain(f.tp, "x"))
			f.write(f.keeper)
			if _, err := f.keeper.Take(t.Context()); err != nil {
				t.Fatal(err)
			}
			f.pass()
			f.do(f.in.Upkeep.Sweep)
		}
		if headers, _ := f.journals(); len(headers) != 2 {
			t.Errorf("%d journal objects, want those of the last hour and ten minutes before it", len(headers))
		}
	})
}

// What is from before the era began is none of its business: it may be all there is of a cluster that was lost.
func TestOutlived_LeavesAloneWhatIsFromBeforeTheEra(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		f.write(f.keeper)
		var since coordination.Mark
		for hour := range 8 {
			time.Sleep(time.Hour)
			f.in.MustProduce(coretest.Plain(f.tp, "x"))
			f.write(f.keeper)
			if _, err := f.keeper.Take(t.Context()); err != nil {
				t.Fatal(err)
			}
			f.pass()
			if hour == 1 {
				since = f.Mark(f.Keys.Floor())
			}
		}
		keys, err := f.keeper.Outlived(t.Context(), since, f.Mark(f.Keys.Floor()))
		if err != nil || len(keys) == 0 {
			t.Errorf("%v, %v", keys, err)
		}
		for _, key := range keys {
			if id := ulid.MustParseStrict(key[strings.LastIndexByte(key, '/')+1:]); coordination.MarkOf(id) <= since {
				t.Errorf("%s is from before the era", key)
			}
		}
	})
}
