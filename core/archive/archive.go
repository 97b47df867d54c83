// Package archive reads what partitions have settled: manifests (core/manifest) and the indexes of settled objects, with a bounded
// memory of decoded ones. Any offset or time is found with two GETs, root and page, and with none when they are in memory.
//
// Objects are immutable, so nothing here can be stale; which root is a partition's is for its head to say (ledger.Manifest). Whoever
// asks at the same time shares a GET.
//
// Owns: which roots, pages and indexes stay in memory. Does not own: their formats (core/manifest, core/segment), the batches
// (core/fetch reads them), and what a missing object means: callers get objectstore.ErrNotFound and look at the head again.
package archive

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/singleflight"

	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/manifest"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/segment"
	"github.com/firnlog/firnlog/objectstore"
)

// BytesMax is room for the pages of 200 partitions or so, or of 3 TiB.
const BytesMax = 32 << 20

// What decoded things take in memory, about.
const (
	pageBytes    = 88
	entryBytes   = 176
	runBytes     = 112
	blockBytes   = 24
	abortedBytes = 24
)

// What is remembered of an object, before its key: a reference may name the wrong kind.
const (
	rootOf  = "root "
	pageOf  = "page "
	indexOf = "index "
)

// Archive is one reader with its memory.
type Archive struct {
	store objectstore.Store
	loads singleflight.Group
	gets  atomic.Int64
	mu    struct {
		sync.Mutex
		memory
	}
}

// New makes an archive that remembers about bytesMax.
func New(store objectstore.Store, bytesMax int64) *Archive {
	a := &Archive{store: store}
	a.mu.memory = newMemory(bytesMax)
	return a
}

// Gets is the number of GETs so far.
func (a *Archive) Gets() int64 { return a.gets.Load() }

// Held is about how many bytes are remembered.
func (a *Archive) Held() int64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.mu.bytes
}

// lookup gives something that is remembered.
func (a *Archive) lookup(key string) (any, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.mu.get(key)
}

// load gives what read makes of an object, and its size in memory. It goes on when the first who asked gives up.
func (a *Archive) load(ctx context.Context, key string, read func(ctx context.Context) (any, int64, error)) (any, error) {
	if v, ok := a.lookup(key); ok {
		return v, nil
	}
	ch := a.loads.DoChan(key, func() (any, error) {
		if v, ok := a.lookup(key); ok {
			return v, nil // a load ended since the look above
		}
		v, size, err := read(context.WithoutCancel(ctx))
		if err != nil {
			return nil, err
		}
		a.mu.Lock()
		defer a.mu.Unlock()
		a.mu.add(key, v, size)
		return v, nil
	})
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case r := <-ch:
		return r.Val, r.Err
	}
}

func (a *Archive) get(ctx context.Context, key string, offset, length int64) ([]byte, error) {
	a.gets.Add(1)
	b, err := a.store.Get(ctx, key, offset, length)
	if err != nil {
		return nil, fmt.Errorf("get %s: %w", key, err)
	}
	return b, nil
}

// Root reads the root that a head refers to. It must not be changed.
func (a *Archive) Root(ctx context.Context, tp record.TopicPartition, m *ledger.Manifest) (*manifest.Root, error) {
	key := m.Key(tp)
	v, err := a.load(ctx, rootOf+key, func(ctx context.Context) (any, int64, error) {
		b, err := a.get(ctx, key, 0, -1)
		if err != nil {
			return nil, 0, err
		}
		root, err := manifest.Decode(b)
		if err != nil {
			return nil, 0, fmt.Errorf("%s: %w", key, err)
		}
		return root, int64(len(root.Pages))*pageBytes + sizeOf(root.Entries), nil
	})
	if err != nil {
		return nil, err
	}
	root := v.(*manifest.Root)
	if root.End() < m.End {
		return nil, fmt.Errorf("%s ends at offset %d, the head says %d: %w", key, root.End(), m.End, manifest.ErrCorrupt)
	}
	return root, nil
}

// Page reads a page of a root in the folder of partition folder. The entries are as the page has them, and must not be changed.
func (a *Archive) Page(ctx context.Context, folder record.TopicPartition, ref manifest.PageRef) ([]manifest.Entry, error) {
	key := ref.Key(folder)
	v, err := a.load(ctx, pageOf+key, func(ctx context.Context) (any, int64, error) {
		b, err := a.get(ctx, key, 0, -1)
		if err != nil {
			return nil, 0, err
		}
		entries, err := manifest.DecodePage(b)
		if err != nil {
			return nil, 0, fmt.Errorf("%s: %w", key, err)
		}
		return entries, sizeOf(entries), nil
	})
	if err != nil {
		return nil, err
	}
	entries := v.([]manifest.Entry)
	if n := len(entries); n == 0 || entries[0].Base != ref.Base || entries[n-1].End != ref.End {
		return nil, fmt.Errorf("%s is not as its root says: %w", key, manifest.ErrCorrupt)
	}
	return entries, nil
}

// Index reads the index of a settled object: one GET, two for one of very many runs.
func (a *Archive) Index(ctx context.Context, key string) (segment.SettledIndex, error) {
	v, err := a.load(ctx, indexOf+key, func(ctx context.Context) (any, int64, error) {
		tail, err := a.get(ctx, key, -segment.TailBytes, -1)
		if err != nil {
			return nil, 0, err
		}
		x, err := segment.ReadSettledIndex(tail)
		if short := (*segment.ShortTailError)(nil); errors.As(err, &short) {
			if tail, err = a.get(ctx, key, -short.Need, -1); err != nil {
				return nil, 0, err
			}
			x, err = segment.ReadSettledIndex(tail)
		}
		if err != nil {
			return nil, 0, fmt.Errorf("%s: %w", key, err)
		}
		size := int64(len(x.Runs)) * runBytes
		for i := range x.Runs {
			size += int64(len(x.Runs[i].Blocks)) * blockBytes
		}
		return x, size, nil
	})
	if err != nil {
		return segment.SettledIndex{}, err
	}
	return v.(segment.SettledIndex), nil
}

// sizeOf is about what entries take in memory.
func sizeOf(entries []manifest.Entry) (n int64) {
	for i := range entries {
		n += entryBytes + int64(len(entries[i].Blocks))*blockBytes + int64(len(entries[i].Aborted))*abortedBytes
	}
	return n
}
