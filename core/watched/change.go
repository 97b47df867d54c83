package watched

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/pause"
)

// Changes go to etcd beside log/format, whose value is compared since revisions repeat in an etcd that was rebuilt.

const changeTries = 8

// Errors are the holder's words for what can become of a change.
type Errors struct {
	// Unavailable: etcd cannot be reached or keeps changing below us; nothing happened.
	Unavailable error
	// Unknown: the change may have been made.
	Unknown error
	// NoCluster: there is no log/format.
	NoCluster error
}

// Read reads keys at one revision, and gives the guard that a change of what was read has to hold. Without a cluster: Errors.NoCluster.
func (v *View) Read(ctx context.Context, keys ...string) ([]coordination.Item, coordination.Guard, error) {
	snap, err := v.KV.Get(ctx, append([]string{v.Keys.Format()}, keys...)...)
	if err != nil {
		return nil, coordination.Guard{}, fmt.Errorf("read %s: %w", v.What, err)
	}
	if snap.Items[0].Create == 0 {
		return nil, coordination.Guard{}, v.Errors.NoCluster
	}
	return snap.Items[1:], coordination.ValueIs(v.Keys.Format(), snap.Items[0].Value), nil
}

// Repeat tries until something is done: with its error, or none. Without a cluster nothing can be. unsure tells a try that an earlier one may
// have been applied.
func (v *View) Repeat(ctx context.Context, try func(unsure bool) (done bool, err error)) error {
	unsure := false
	last := errors.New("others changed the same each time")
	for n := range changeTries {
		if n > 0 {
			if err := pause.For(ctx, pause.Backoff(n-1, 20*time.Millisecond, 500*time.Millisecond)); err != nil {
				break
			}
		}
		done, err := try(unsure)
		if done || errors.Is(err, v.Errors.NoCluster) {
			return err
		}
		if err != nil {
			unsure, last = unsure || errors.Is(err, coordination.ErrUnknown), err
		}
	}
	if unsure {
		return fmt.Errorf("%w: %w", v.Errors.Unknown, last)
	}
	return fmt.Errorf("%w: %w", v.Errors.Unavailable, last)
}
