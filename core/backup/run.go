package backup

import (
	"context"
	"errors"
	"time"

	"github.com/firnlog/firnlog/core/duty"
	"github.com/firnlog/firnlog/core/ledger"
)

// Tick is how often Run looks whether something is due.
const tick = time.Second

// Run writes journal and backups under a lease until ctx ends.
func (k *Keeper) Run(ctx context.Context) error {
	d := duty.New(duty.Settings{KV: k.KV, Key: k.keys.Lease("backup"), Holder: k.Holder, TTL: k.LeaseTTL, Now: k.Now})
	defer d.Leave()
	t := time.NewTicker(tick)
	defer t.Stop()
	var journaled, looked time.Time
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-t.C:
		}
		if k.JournalEvery == 0 && k.BackupEvery == 0 || !d.Held(ctx) {
			continue
		}
		now := k.Now()
		if k.JournalEvery > 0 && now.Sub(journaled) >= k.JournalEvery {
			journaled = now
			k.report(ctx, "journal", k.WriteJournal(ctx))
		}
		if k.BackupEvery > 0 && now.Sub(looked) >= min(k.BackupEvery, time.Minute) {
			looked = now
			k.report(ctx, "backup", k.TakeIfDue(ctx))
		}
	}
}

func (k *Keeper) report(ctx context.Context, what string, err error) {
	if err != nil && ctx.Err() == nil && !errors.Is(err, ledger.ErrNoCluster) {
		k.Log.Warn("not written, it will be tried again", "what", what, "error", err)
	}
}

// TakeIfDue takes a backup if the newest of this era is older than BackupEvery.
func (k *Keeper) TakeIfDue(ctx context.Context) error {
	if err := k.enter(ctx); err != nil {
		return err
	}
	defer k.leave()
	n, err := k.look(ctx)
	if err != nil {
		return err
	}
	root, ok, err := k.newest(ctx, n.era)
	if err != nil || ok && k.Now().Sub(root.Taken) < k.BackupEvery {
		return err
	}
	_, err = k.take(ctx)
	return err
}
