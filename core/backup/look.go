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
