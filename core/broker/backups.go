package broker

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/firnlog/firnlog/core/backup"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/stream"
	"github.com/firnlog/firnlog/core/sweep"
	"github.com/firnlog/firnlog/objectstore"
)

// backupLease is how long the duty of writing backups waits for an instance that was lost.
const backupLease = 15 * time.Second

func (b *Broker) keeper(store objectstore.Store, holder string) *backup.Keeper {
	return backup.New(backup.Settings{
		Store: store, KV: b.KV, Cluster: b.Cluster, Now: time.Now, Entropy: rand.Reader, Log: b.Log.With("part", "backup"), Holder: holder,
		JournalEvery: b.JournalEvery, BackupEvery: b.BackupEvery, Keep: b.BackupKeep, KeepFor: b.BackupKeepFor, LeaseTTL: backupLease,
	})
}

// lookEvery is how often an instance looks whether its etcd is still the one that it follows.
const lookEvery = 5 * time.Second

// look notices an etcd that was lost, or restored, while nobody asks for anything: a watch that is opened again in an emptied etcd
// waits silently for revisions that are long to come. A barrier compares.
func (b *Broker) look(ctx context.Context) error {
	t := time.NewTicker(lookEvery)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-t.C:
			_ = b.stream.Barrier(ctx) // it makes the stream begin anew, which says why
		}
	}
}

// mayBegin says whether a new cluster may begin in an etcd that has none: not where the bucket holds one's objects. Its etcd was
// lost then, or is another than the one that was named. Of two that begin at the same time the claim lets one.
func (b *Broker) mayBegin(ctx context.Context) error {
	if b.BeginAnew {
		return nil
	}
	for _, prefix := range []string{backup.RootPrefix, ledger.SegmentPrefix, ledger.SettledPrefix} {
		list, err := b.Store.List(ctx, prefix, "", 1)
		if err != nil {
			return fmt.Errorf("look for objects of a cluster: %w", err)
		}
		if len(list) == 0 {
			continue
		}
		return fmt.Errorf("%w: etcd holds nothing of cluster %q, but the object store has objects of one (%s). Is the right etcd named? To rebuild it from the object store: %s. "+
			"To begin an empty cluster and leave these objects alone: --begin-anew", stream.ErrLost, b.Cluster, list[0].Key, b.HowToRestore)
	}
	err := sweep.Claim(ctx, b.Store, b.Cluster)
	if errors.Is(err, sweep.ErrClaimed) {
		return fmt.Errorf("%w: cluster %q cannot begin in this place of the object store: %w. Two clusters in one prefix would delete each other's objects: give each one of its own in --store. "+
			"If the other one is gone, or never came to be, delete this object", stream.ErrLost, b.Cluster, err)
	}
	return err
}
