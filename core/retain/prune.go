package retain

import (
	"context"

	"github.com/firnlog/firnlog/core/amend"
	"github.com/firnlog/firnlog/core/manifest"
	"github.com/firnlog/firnlog/core/reference"
)

// dropped is the amendment that forgets what lies below the log start.
func dropped(p *partition) amend.Amendment {
	return amend.Amendment{Partition: p.tp, Edit: func(root *manifest.Root, pager manifest.Pager) (manifest.Change, error) {
		return root.Drop(p.start, pager)
	}}
}

// prune lets manifests forget what lies below the log start: not entry by entry, since each time costs a PUT.
func (r *Retainer) prune(ctx context.Context, parts []*partition) error {
	done := 0
	for _, p := range parts {
		k, ok := r.known[p.tp]
		if p.manifest == nil || !ok || k.manifest != p.manifest.ID || k.dead == 0 || k.dead < r.DeadMax && k.deadBytes*8 < p.manifest.Bytes {
			continue
		}
		if done++; done > r.PrunesMax {
			r.behind = true
			return nil
		}
		out, err := r.Amender.Amend(ctx, dropped(p))
		if err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			r.Log.Error("a manifest cannot be made shorter", "partition", p.describe(), "error", err)
			continue
		}
		if out == reference.Swapped {
			delete(r.known, p.tp)
		}
	}
	return nil
}
