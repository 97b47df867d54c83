package compact_test

import (
	"strings"
	"testing"
	"time"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/compact"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/objectstore"
)

// The keys of a walk are learnt from spans that a restore may not know: their records come back at other offsets, or (those of
// transactions) not at all, while the manifest is as it was in the last backup. A walk that goes on then would drop what has no later
// record of its key any more.
func TestCompact_KeysLearntInOneEraDropNothingInAnother(t *testing.T) {
	bubble(t, 1, nil, func(f *fixture) {
		f.history(25)
		f.tune = func(s *compact.Settings) { tiny(s); s.KeysBytes = 1 << 20 }
		restored := false
		f.FaultStore(func(_ string, op objectstore.Op, key string) objectstore.Decision {
			if op == objectstore.OpPut && strings.HasPrefix(key, ledger.SettledPrefix) && !restored {
				restored = true
				f.Put(f.Keys.Format(), ledger.Format{Version: ledger.FormatVersion, Era: "restored"}.Encode())
				for f.a.Stream.ClusterID() != "restored" || f.a.Stream.Barrier(f.t.Context()) != nil {
					time.Sleep(time.Second)
				}
			}
			return objectstore.Decision{}
		})
		before := f.Items(f.Keys.Heads())
		if _, err := f.compactorOf(f.a).Step(f.t.Context()); err != nil || !restored {
			f.t.Fatalf("%v, restored %v", err, restored)
		}
		after := f.Items(f.Keys.Heads())
		if mods := func(all []coordination.Item) coordination.Revision { return all[0].Mod }; mods(before) != mods(after) {
			f.t.Error("a walk that began in the era before has swapped references")
		}
	})
}
