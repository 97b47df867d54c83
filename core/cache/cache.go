// Package cache keeps bytes of immutable objects in memory: ingest fills it with
// what it has just written, fetch reads it and loads what is missing.
//
// Objects never change, so nothing here can be stale. Two pools keep readers
// apart: the hot one holds what was just written or is read at the tail; the
// cold one what is read from the past, so that a backfill does not push out the
// tail of everybody else. Concurrent loads of one object share one request.
//
// Owns: which bytes stay. Does not own: what an object is or how to get it.
package cache

import (
	"context"
	"math"
	"sort"
	"sync"
	"sync/atomic"

	"github.com/hashicorp/golang-lru/v2/simplelru"
	"golang.org/x/sync/singleflight"
)

// Heat says which pool an object belongs to.
type Heat int

// The pools.
const (
	Hot Heat = iota
	Cold
	pools
)

// Object is the bytes of an object in one or more chunks. A record batch never lies across two chunks.
type Object struct {
	chunks [][]byte
	starts []int64 // position of each chunk
	size   int64
}

// NewObject makes an object of chunks, which must not change any more.
func NewObject(chunks ...[]byte) *Object {
	o := &Object{chunks: chunks, starts: make([]int64, len(chunks))}
	for i, c := range chunks {
		o.starts[i] = o.size
		o.size += int64(len(c))
	}
	return o
}

// Range gives the pieces that make up length bytes from position; fewer where the object ends before.
func (o *Object) Range(position, length int64) [][]byte {
	var out [][]byte
	i := sort.Search(len(o.starts), func(i int) bool { return o.starts[i] > position }) - 1
	for i = max(i, 0); i < len(o.chunks) && length > 0; i++ {
		c := o.chunks[i]
		if skip := position - o.starts[i]; skip > 0 {
			c = c[min(skip, int64(len(c))):]
		}
		c = c[:min(length, int64(len(c)))]
		length -= int64(len(c))
		position += int64(len(c))
		if len(c) > 0 {
			out = append(out, c)
		}
	}
	return out
}

// Size in bytes.
func (o *Object) Size() int64 { return o.size }

// Cache holds objects up to a number of bytes a pool.
type Cache struct {
	mu struct {
		sync.Mutex
		pools [pools]*simplelru.LRU[string, *Object]
		bytes [pools]int64
	}
	max    [pools]int64
	loads  singleflight.Group
	hits   atomic.Int64
	misses atomic.Int64
}

// New makes a cache with room for so many bytes in each pool.
func New(hotBytesMax, coldBytesMax int64) *Cache {
	c := &Cache{max: [pools]int64{hotBytesMax, coldBytesMax}}
	for i := range c.mu.pools {
		// The count is no limit; the bytes are. NewLRU fails for a size of 0 only.
		c.mu.pools[i], _ = simplelru.NewLRU(math.MaxInt32, func(_ string, o *Object) { c.mu.bytes[i] -= o.size })
	}
	return c
}

// Fill puts an object that was just written into the hot pool.
func (c *Cache) Fill(key string, o *Object) { c.put(Hot, key, o) }

func (c *Cache) put(h Heat, key string, o *Object) {
	c.mu.Lock()
	defer c.mu.Unlock()
	lru := c.mu.pools[h]
	if o.size > c.max[h] || lru.Contains(key) {
		return
	}
	lru.Add(key, o)
	c.mu.bytes[h] += o.size
	for c.mu.bytes[h] > c.max[h] {
		lru.RemoveOldest()
	}
}

// Lookup gives an object if it is here.
func (c *Cache) Lookup(key string) (*Object, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, lru := range c.mu.pools {
		if o, ok := lru.Get(key); ok {
			c.hits.Add(1)
			return o, true
		}
	}
	return nil, false
}

// Load gives an object, calling load where it is not here. Callers at the same
// time share one load, which goes on when the first of them gives up.
func (c *Cache) Load(ctx context.Context, h Heat, key string, load func(ctx context.Context) ([]byte, error)) (*Object, error) {
	if o, ok := c.Lookup(key); ok {
		return o, nil
	}
	ch := c.loads.DoChan(key, func() (any, error) {
		c.misses.Add(1)
		b, err := load(context.WithoutCancel(ctx))
		if err != nil {
			return nil, err
		}
		o := NewObject(b)
		c.put(h, key, o)
		return o, nil
	})
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case r := <-ch:
		if r.Err != nil {
			return nil, r.Err
		}
		return r.Val.(*Object), nil
	}
}

// Drop forgets an object (after a failed read).
func (c *Cache) Drop(key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, lru := range c.mu.pools {
		lru.Remove(key)
	}
}

// Stats counts look-ups that found an object, loads, and bytes held.
func (c *Cache) Stats() (hits, misses, bytes int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.hits.Load(), c.misses.Load(), c.mu.bytes[Hot] + c.mu.bytes[Cold]
}
