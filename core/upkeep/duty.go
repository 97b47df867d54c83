package upkeep

import (
	"context"
	"time"

	"github.com/firnlog/firnlog/coordination"
)

// duty is this instance's claim to a maintenance duty. Two holders at once cost
// money and nothing else.
type duty struct {
	u       *Upkeep
	key     string
	lease   coordination.Lease
	renewed time.Time
}

// held says whether this instance should work now, claiming or renewing as needed.
func (d *duty) held(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, d.u.LeaseTTL/3)
	defer cancel()
	if d.lease != nil {
		if d.u.Now().Sub(d.renewed) < d.u.LeaseTTL/3 {
			return true
		}
		if d.lease.Renew(ctx) == nil {
			d.renewed = d.u.Now()
			return true
		}
		d.lease = nil
	}
	snap, err := d.u.KV.Get(ctx, d.key)
	if err != nil || snap.Items[0].Create != 0 {
		return false
	}
	lease, err := d.u.KV.Grant(ctx, d.u.LeaseTTL)
	if err != nil {
		return false
	}
	res, err := d.u.KV.Commit(ctx, []coordination.Guard{coordination.Missing(d.key)},
		[]coordination.Change{coordination.PutLeased(d.key, []byte(d.u.Holder), lease.ID())})
	if err != nil || !res.Committed {
		_ = lease.Revoke(ctx) // it ends by itself otherwise
		return false
	}
	d.lease, d.renewed = lease, d.u.Now()
	return true
}

// leave gives the duty up, so that another instance need not wait for the lease to end.
func (d *duty) leave() {
	if d.lease == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = d.lease.Revoke(ctx)
}
