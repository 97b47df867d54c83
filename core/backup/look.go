package backup

import (
	"bytes"
	"context"
	"fmt"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/ledger"
)

// now is what one linearizable read says of the cluster.
type now struct {
	revision     coordination.Revision
	format       []byte
	era          string
	stamp, floor coordination.Mark
}

// look reads it. ledger.ErrNoCluster: there is none.
func (k *Keeper) look(ctx context.Context) (n now, err error) {
	snap, err := k.KV.Get(ctx, k.keys.Format(), k.keys.Stamp(), k.keys.Floor())
	if err != nil {
		return n, fmt.Errorf("read format, stamp and floor: %w", err)
	}
	if snap.Items[0].Create == 0 {
		return n, ledger.ErrNoCluster
	}
	f, err := ledger.DecodeFormat(snap.Items[0].Value)
	if err != nil {
		return n, err
	}
	n.revision, n.format, n.era = snap.Revision, bytes.Clone(snap.Items[0].Value), f.Era
	if n.stamp, err = coordination.ParseMark(snap.Items[1].Value); err != nil {
		return n, fmt.Errorf("read stamp: %w", err)
	}
	if n.floor, err = coordination.ParseMark(snap.Items[2].Value); err != nil {
		return n, fmt.Errorf("read floor: %w", err)
	}
	return n, nil
}

// still is nil while etcd is in the era that n was in: what was read in between is of that era. One that was rebuilt meanwhile has other
// keys and other changes at the same revisions, which must not be kept under the old era's name.
func (k *Keeper) still(ctx context.Context, n now) error {
	after, err := k.look(ctx)
	if err == nil && after.era != n.era {
		err = fmt.Errorf("what was read in era %s may be of era %s: %w", n.era, after.era, ledger.ErrEra)
	}
	return err
}
