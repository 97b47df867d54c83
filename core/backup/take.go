package backup

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/objectstore"
)

// Root is the header of a backup's root.
type Root struct {
	Version  int                   `json:"version"`
	ID       ulid.ULID             `json:"id"`
	Cluster  string                `json:"cluster"`
	Era      string                `json:"era"`
	Format   string                `json:"format"` // value of log/format
	Revision coordination.Revision `json:"revision"`
	Stamp    coordination.Mark     `json:"stamp"`
	Floor    coordination.Mark     `json:"floor"`
	Taken    time.Time             `json:"taken"`
	Keys     int64                 `json:"keys"`
	Parts    []Part                `json:"parts"`
}

// Part names one part of a backup. Size in bytes, as stored.
type Part struct {
	ID   ulid.ULID `json:"id"`
	Size int64     `json:"size"`
	Keys int64     `json:"keys"`
}

const (
	// takeMax is how long a backup may take. What it refers to may be swept when nothing in etcd has referred to
	// it for sweep's grace (ten minutes), and sweep sees a backup only by its root, which is put last. A backup whose
	// writer was paused between its last look at the clock and that put may refer to what is gone: a restore looks.
	takeMax = 4 * time.Minute
	// takePage is how many keys are read at a time.
	takePage = 500
)

// ErrTooSlow: a backup took so long that what it refers to may have been deleted since.
var ErrTooSlow = errors.New("backup took too long")

// Take writes a backup of what etcd holds now.
//
//  1. One read says at which revision; the id is drawn before anything is read.
//  2. All keys are paged at that revision, and put part by part: memory is that of one part.
//  3. The root names the parts. Without it the parts are nothing, and get swept.
func (k *Keeper) Take(ctx context.Context) (Root, error) {
	if err := k.enter(ctx); err != nil {
		return Root{}, err
	}
	defer k.leave()
	return k.take(ctx)
}

func (k *Keeper) take(ctx context.Context) (root Root, err error) {
	started := k.Now()
	n, err := k.look(ctx)
	if err != nil {
		return root, fmt.Errorf("take backup: %w", err)
	}
	id, err := k.newID(n.stamp)
	if err != nil {
		return root, err
	}
	root = Root{Version: version, ID: id, Cluster: k.Cluster, Era: n.era, Format: string(n.format), Revision: n.revision, Stamp: n.stamp, Floor: n.floor, Taken: started.UTC()}
	t := taking{k: k, root: &root}
	if err := t.all(ctx); err != nil {
		return root, fmt.Errorf("take backup %s: %w", id, err)
	}
	if k.Now().Sub(started) > takeMax {
		return root, fmt.Errorf("take backup %s: %w: %v", id, ErrTooSlow, k.Now().Sub(started))
	}
	if err := k.still(ctx, n); err != nil {
		return root, fmt.Errorf("take backup %s: %w", id, err)
	}
	object, err := seal(magicRoot, root, nil)
	if err == nil {
		err = k.put(ctx, RootKey(id), object)
	}
	if err != nil {
		return root, fmt.Errorf("take backup %s: %w", id, err)
	}
	k.Log.Info("backup taken", "id", id, "revision", root.Revision, "keys", root.Keys, "parts", len(root.Parts), "took", k.Now().Sub(started))
	return root, nil
}

// taking is a backup on its way.
type taking struct {
	k       *Keeper
	root    *Root
	entries []byte
	last    coordination.Revision
	keys    int64
}

func (t *taking) all(ctx context.Context) error {
	prefix := t.k.keys.Root()
	r := coordination.Range{Prefix: prefix, Limit: takePage, At: t.root.Revision}
	for {
		page, err := t.k.KV.List(ctx, r)
		if err != nil {
			return fmt.Errorf("read keys at revision %d: %w", r.At, err)
		}
		for _, it := range page.Items {
			e := Entry{Key: strings.TrimPrefix(it.Key, prefix), Value: it.Value, Create: it.Create, Mod: it.Mod}
			if it.Lease != 0 || IsLeased(e.Key) {
				continue
			}
			t.entries = appendEntry(t.entries, &e, t.last)
			t.last = e.Mod
			t.keys++
			if len(t.entries) >= t.k.PartMax {
				if err := t.flush(ctx); err != nil {
					return err
				}
			}
		}
		if !page.More {
			return t.flush(ctx)
		}
		r.After = page.Items[len(page.Items)-1].Key
	}
}

// flush puts a part.
func (t *taking) flush(ctx context.Context) error {
	if t.keys == 0 {
		return nil
	}
	id, err := t.k.newID(t.root.Stamp)
	if err != nil {
		return err
	}
	part := Part{ID: id, Keys: t.keys}
	object, err := seal(magicPart, partHeader{Version: version, Backup: t.root.ID}, t.entries)
	if err == nil {
		err = t.k.put(ctx, PartKey(id), object)
	}
	if err != nil {
		return fmt.Errorf("write part %d: %w", len(t.root.Parts), err)
	}
	part.Size = int64(len(object))
	t.root.Parts, t.root.Keys = append(t.root.Parts, part), t.root.Keys+part.Keys
	t.entries, t.last, t.keys = t.entries[:0], 0, 0
	return nil
}

type partHeader struct {
	Version int       `json:"version"`
	Backup  ulid.ULID `json:"backup"`
}

// put writes an object under a fresh key. That it exists means that an earlier try succeeded: nobody else
// draws the same id.
func (k *Keeper) put(ctx context.Context, key string, object []byte) error {
	if err := k.Store.Put(ctx, key, object); err != nil && !errors.Is(err, objectstore.ErrExists) {
		return fmt.Errorf("put %s: %w", key, err)
	}
	return nil
}

// enter takes the right to write: what is remembered of the journal belongs to one at a time.
func (k *Keeper) enter(ctx context.Context) error {
	select {
	case <-k.turn:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (k *Keeper) leave() { k.turn <- struct{}{} }
