package settle_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/coretest"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/settle"
	"github.com/firnlog/firnlog/objectstore"
)

// An instance whose watch lags does not see that another one has spilled before it. It puts its root, is told that the references
// have changed, and must wait for the news: not put one root after the other until they come.
func TestSpill_WhoLagsPutsNoRootAfterTheOther(t *testing.T) {
	bubble(t, 3, func(f *fixture) {
		unspilled := f.settlerOf(f.a, func(s *settle.Settings) { tiny(s); s.SpillObjects = 1000 })
		for range 12 {
			f.busy(f.a, 8)
			f.checkpoint()
			f.run(unspilled)
		}
		b := f.Instance("b", coretest.Options{}).Ready()
		b.Barrier()
		f.FaultKV(func(who string, op coordination.Op, _ string) (d coordination.Decision) {
			if who == "b" && op == coordination.OpUpdate {
				d.Delay = time.Hour
			}
			return d
		})
		roots := map[string]int{}
		f.FaultStore(func(who string, op objectstore.Op, key string) objectstore.Decision {
			if op == objectstore.OpPut && strings.HasPrefix(key, ledger.ManifestPrefix) {
				roots[who]++
			}
			return objectstore.Decision{Delay: 10 * time.Millisecond}
		})
		f.run(f.settler)
		if roots["a"] == 0 {
			f.t.Fatal("nothing was spilled")
		}
		ctx, cancel := context.WithTimeout(f.t.Context(), 10*time.Second)
		defer cancel()
		_ = f.settlerOf(b, tiny).Run(ctx)
		if roots["b"] > roots["a"] {
			f.t.Errorf("%d roots were put by who lags, %d by who was first", roots["b"], roots["a"])
		}
		f.FaultKV(nil)
		f.FaultStore(nil)
		f.check()
	})
}
