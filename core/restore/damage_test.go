package restore_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/firnlog/firnlog/core/backup"
	"github.com/firnlog/firnlog/core/coretest"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/restore"
	"github.com/firnlog/firnlog/objectstore"
)

func TestRestore_FallsBackToTheBackupBeforeWhereTheNewestIsDamagedOrNotWhole(t *testing.T) {
	for name, damage := range map[string]func(t *testing.T, w *world, root backup.Root){
		"a part is gone": func(t *testing.T, w *world, root backup.Root) {
			if err := w.Disk.Delete(t.Context(), backup.PartKey(root.Parts[0].ID)); err != nil {
				t.Fatal(err)
			}
		},
		"a part is damaged": func(t *testing.T, w *world, root backup.Root) {
			flip(t, w.Disk, backup.PartKey(root.Parts[0].ID))
		},
		"the root is damaged": func(t *testing.T, w *world, root backup.Root) {
			flip(t, w.Disk, backup.RootKey(root.ID))
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world, tp record.TopicPartition) {
				in := w.instance("a")
				w.journal()
				in.MustProduce(coretest.Plain(tp, "x"))
				w.journal()
				time.Sleep(time.Second)
				root, err := w.keeper.Take(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				in.MustProduce(coretest.Plain(tp, "y"))
				w.journal()
				in.Stop()
				w.lose()
				damage(t, w, root)
				if report := w.restore(); len(report.PassedOver) != 1 || report.RecordsPutBack() != 0 || report.Gap != "" {
					t.Errorf("report: %+v", report)
				}
				if got := w.instance("b").ReadAll(tp); strings.Join(got, "") != "xy" {
					t.Errorf("read %q", got)
				}
			})
		})
	}
}

func flip(t *testing.T, store objectstore.Store, key string) {
	t.Helper()
	b, err := store.Get(t.Context(), key, 0, -1)
	if err == nil {
		err = store.Delete(t.Context(), key)
	}
	if err == nil {
		b[len(b)/2] ^= 1
		err = store.Put(t.Context(), key, b)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestRestore_AGapInTheJournalIsReportedAndWhatFollowsIsPutBack(t *testing.T) {
	bubble(t, func(t *testing.T, w *world, tp record.TopicPartition) {
		in := w.instance("a")
		w.journal()
		for _, v := range []string{"0", "1", "2"} {
			in.MustProduce(coretest.Plain(tp, v))
			time.Sleep(time.Second)
			w.journal()
		}
		in.Stop()
		w.lose()
		names, err := backup.Journals(t.Context(), w.Disk, "")
		if err != nil || len(names) != 3 {
			t.Fatalf("%d journal objects, %v", len(names), err)
		}
		if err := w.Disk.Delete(t.Context(), names[1].Key()); err != nil {
			t.Fatal(err)
		}
		if report := w.restore(); report.Gap == "" || report.RecordsPutBack() != 2 {
			t.Errorf("report: %+v", report)
		}
		if got := w.instance("b").ReadAll(tp); strings.Join(got, "") != "012" {
			t.Errorf("read %q", got)
		}
	})
}

func TestRestore_AnObjectThatIsNotThereIsReported(t *testing.T) {
	bubble(t, func(t *testing.T, w *world, tp record.TopicPartition) {
		in := w.instance("a")
		in.MustProduce(coretest.Plain(tp, "x"))
		w.backup()
		in.Stop()
		w.lose()
		if err := w.Disk.Delete(t.Context(), w.Objects()...); err != nil {
			t.Fatal(err)
		}
		if report := w.restore(); len(report.Missing) != 1 || report.Missing[0].To != 1 || !report.Lossy() {
			t.Errorf("report: %+v", report)
		}
	})
}

func TestRestore_WithoutABackupThereIsNone(t *testing.T) {
	bubble(t, func(t *testing.T, w *world, tp record.TopicPartition) {
		if _, err := restore.Prepare(t.Context(), w.settings()); !errors.Is(err, restore.ErrNoBackup) {
			t.Errorf("%v, want ErrNoBackup", err)
		}
	})
}
