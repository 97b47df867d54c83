package restore

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/backup"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/pause"
)

const (
	// writesMax and writeBytesMax keep a transaction below etcd's limits.
	writesMax     = 100
	writeBytesMax = 1 << 20
	// writeTries bounds how often one is sent while etcd cannot be reached.
	writeTries = 20
)

// Apply writes the new etcd.
//
//  1. keys.Restore() is created with the new era: one restore at a time. One that was left unfinished is begun anew.
//  2. All keys but log/format, guarded by it.
//  3. In one transaction: log/format, floor and stamp; keys.Restore() goes. From then on instances serve.
//
// Without log/format nobody else can write anything, since every writer compares it. Stopped in between, nothing is
// lost: run it again.
func (r *Restore) Apply(ctx context.Context) error {
	lock, err := r.claim(ctx)
	if err != nil {
		return err
	}
	held := coordination.ValueIs(r.keys.Restore(), lock)
	for puts, done := r.puts, 0; len(puts) > 0; {
		n, size := 0, 0
		for n < len(puts) && n < writesMax {
			if size += len(puts[n].Key) + len(puts[n].Value); n > 0 && size > writeBytesMax {
				break
			}
			n++
		}
		if err := r.commit(ctx, []coordination.Guard{held}, puts[:n]); err != nil {
			return fmt.Errorf("write %d keys from %s on: %w", n, puts[0].Key, err)
		}
		puts, done = puts[n:], done+n
		r.Progress("keys written", done, len(r.puts))
	}
	return r.begin(ctx, held)
}

// begin writes what makes it a cluster.
func (r *Restore) begin(ctx context.Context, held coordination.Guard) error {
	guards := []coordination.Guard{held, coordination.Missing(r.keys.Format())}
	changes := []coordination.Change{
		coordination.PutKey(r.keys.Format(), r.format), coordination.PutKey(r.keys.Floor(), r.floor.Bytes()),
		coordination.PutKey(r.keys.Stamp(), (r.floor + 1).Bytes()), coordination.DeleteKey(r.keys.Restore()),
		coordination.DeleteKey(r.keys.Covered()), // a revision of the old era: it would leave out commits of the new one
	}
	err := r.commit(ctx, guards, changes)
	if err == nil {
		return nil
	}
	// The answer to an earlier try may have been lost.
	snap, err2 := r.KV.Get(ctx, r.keys.Format())
	if err2 == nil && string(snap.Items[0].Value) == string(r.format) {
		return nil
	}
	return fmt.Errorf("begin the new era: %w", err)
}

// claim makes sure that nothing is there, and that nobody else restores. What it looked at is compared in the transaction: another
// restore may come to its end in between, and what is there then is a cluster that serves.
func (r *Restore) claim(ctx context.Context) ([]byte, error) {
	families, seen, unfinished, err := r.there(ctx)
	if err != nil {
		return nil, err
	}
	if len(families) > 0 && !unfinished && !r.Overwrite {
		return nil, fmt.Errorf("%s holds %s: %w", r.keys.Root(), strings.Join(families, ", "), ErrNotEmpty)
	}
	format, err := ledger.DecodeFormat(r.format)
	if err != nil {
		return nil, err
	}
	lock := []byte(format.Era)
	changes := []coordination.Change{coordination.PutKey(r.keys.Restore(), lock)}
	for _, f := range families {
		changes = append(changes, coordination.DeletePrefix(r.keys.Root()+f))
	}
	err = r.commit(ctx, seen, changes)
	if err == nil {
		return lock, nil
	}
	// The answer to an earlier try may have been lost.
	snap, err2 := r.KV.Get(ctx, r.keys.Restore())
	if err2 == nil && string(snap.Items[0].Value) == string(lock) {
		return lock, nil
	}
	return nil, fmt.Errorf("begin: %w", err)
}

// there lists the families of keys that etcd holds of this cluster, but leased ones. unfinished: they are what another
// restore has left, and no cluster. seen holds as long as that is so.
func (r *Restore) there(ctx context.Context) (families []string, seen []coordination.Guard, unfinished bool, err error) {
	snap, err := r.KV.Get(ctx, r.keys.Restore(), r.keys.Format())
	if err != nil {
		return nil, nil, false, fmt.Errorf("look at etcd: %w", err)
	}
	seen = []coordination.Guard{coordination.ModIs(r.keys.Restore(), snap.Items[0].Mod), coordination.ModIs(r.keys.Format(), snap.Items[1].Mod)}
	unfinished = snap.Items[0].Create != 0 && snap.Items[1].Create == 0
	rng := coordination.Range{Prefix: r.keys.Root(), Limit: 1, KeysOnly: true}
	for {
		page, err := r.KV.List(ctx, rng)
		if err != nil {
			return nil, nil, false, fmt.Errorf("look at etcd: %w", err)
		}
		if len(page.Items) == 0 {
			return families, seen, unfinished, nil
		}
		key := strings.TrimPrefix(page.Items[0].Key, r.keys.Root())
		family, _, nested := strings.Cut(key, "/")
		if nested {
			family += "/"
		}
		if !backup.IsLeased(key) {
			families = append(families, family)
			rng.After = r.keys.Root() + family + "\xff" // on to the next family
			continue
		}
		rng.After = page.Items[0].Key
	}
}

// commit sends one transaction until it is answered.
func (r *Restore) commit(ctx context.Context, guards []coordination.Guard, changes []coordination.Change) error {
	for try := 0; ; try++ {
		res, err := r.KV.Commit(ctx, guards, changes)
		switch {
		case err == nil && res.Committed:
			return nil
		case err == nil:
			return ErrTaken
		case !errors.Is(err, coordination.ErrUnknown) && !errors.Is(err, coordination.ErrUnavailable), try == writeTries:
			return err
		}
		if err := pause.For(ctx, pause.Backoff(try, 50*time.Millisecond, time.Second)); err != nil {
			return err
		}
	}
}
