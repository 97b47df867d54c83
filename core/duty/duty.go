// Package duty says which instance does a piece of maintenance: a leased key in etcd.
//
// Two holders at once cost money and nothing else: safety never rests on a lease.
//
// Owns: claiming, renewing and giving up leases/<duty>. Does not own: what is done under it.
package duty

import (
	"context"
	"time"

	"github.com/firnlog/firnlog/coordination"
)

// Settings of a Duty.
type Settings struct {
	KV     coordination.KV
	Key    string // Keys.Lease
	Holder string // for people who look
	TTL    time.Duration
	Now    func() time.Time
}

// Duty is this instance's claim. It is for one goroutine.
type Duty struct {
	Settings
	lease   coordination.Lease
	renewed time.Time
}

// New claims nothing yet.
func New(s Settings) *Duty { return &Duty{Settings: s} }

// Held says whether this instance should work now, claiming or renewing as needed.
func (d *Duty) Held(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, d.TTL/3)
	defer cancel()
	if d.lease != nil {
		if d.Now().Sub(d.renewed) < d.TTL/3 {
			return true
		}
		if d.lease.Renew(ctx) == nil {
			d.renewed = d.Now()
			return true
		}
		d.lease = nil
	}
	snap, err := d.KV.Get(ctx, d.Key)
	if err != nil || snap.Items[0].Create != 0 {
		return false
	}
	lease, err := d.KV.Grant(ctx, d.TTL)
	if err != nil {
		return false
	}
	res, err := d.KV.Commit(ctx, []coordination.Guard{coordination.Missing(d.Key)},
		[]coordination.Change{coordination.PutLeased(d.Key, []byte(d.Holder), lease.ID())})
	if err != nil || !res.Committed {
		_ = lease.Revoke(ctx) // it ends by itself otherwise
		return false
	}
	d.lease, d.renewed = lease, d.Now()
	return true
}

// Leave gives the duty up, so that another instance need not wait for the lease to end.
func (d *Duty) Leave() { d.LeaveWithin(time.Second) }

// LeaveWithin does it in a given time, or leaves it to the lease's end.
func (d *Duty) LeaveWithin(most time.Duration) {
	if d.lease == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), most)
	defer cancel()
	_ = d.lease.Revoke(ctx)
}
