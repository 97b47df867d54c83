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
	"container/list"
	"context"
	"sort"
	"sync"
	"sync/atomic"

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
	keeps  int64
}

// NewObject makes an object of chunks, which must not change any more: not even when it was evicted, since readers may still send them.
func NewObject(chunks ...[]byte) *Object {
	o := &Object{chunks: chunks, starts: make([]int64, len(chunks))}
	for i, c := range chunks {
		o.starts[i] = o.size
		o.size += int64(len(c))
	}
	o.keeps = o.size
	return o
}

// Keeping says that the chunks keep more memory from being freed than they are long: they are parts of larger buffers.
func (o *Object) Keeping(bytes int64) *Object {
	o.keeps = max(bytes, o.size)
	return o
}

// Keeps is how many bytes of memory whoever holds any part of the object may keep from being freed.
func (o *Object) Keeps() int64 { return o.keeps }

// Chunk is the object's bytes where they are one chunk, else nil.
func (o *Object) Chunk() []byte {
	if len(o.chunks) != 1 {
		return nil
	}
	return o.chunks[0]
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
		pools [pools]pool
	}
	loads  singleflight.Group
	hits   atomic.Int64
	misses atomic.Int64
}

// pool forgets what was least recently used.
type pool struct {
	byKey      map[string]*list.Element // of entry
	used       list.List                // most recently used first
	bytes, max int64
}

type entry struct {
	key    string
	object *Object
}

func (p *pool) get(key string) (*Object, bool) {
	e := p.byKey[key]
	if e == nil {
		return nil, false
	}
	p.used.MoveToFront(e)
	return e.Value.(entry).object, true
}

func (p *pool) add(key string, o *Object) {
	if o.size > p.max || p.byKey[key] != nil {
		return
	}
	p.byKey[key] = p.used.PushFront(entry{key, o})
	for p.bytes += o.size; p.bytes > p.max; {
		p.remove(p.used.Back().Value.(entry).key)
	}
}

func (p *pool) remove(key string) {
	if e := p.byKey[key]; e != nil {
		p.bytes -= p.used.Remove(e).(entry).object.size
		delete(p.byKey, key)
	}
}

// New makes a cache with room for so many bytes in each pool.
func New(hotBytesMax, coldBytesMax int64) *Cache {
	c := &Cache{}
	for i, most := range [pools]int64{hotBytesMax, coldBytesMax} {
		c.mu.pools[i].byKey, c.mu.pools[i].max = map[string]*list.Element{}, most
	}
	return c
}

// Fill puts an object that was just written into the hot pool.
func (c *Cache) Fill(key string, o *Object) { c.put(Hot, key, o) }

func (c *Cache) put(h Heat, key string, o *Object) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mu.pools[h].add(key, o)
}

// Lookup gives an object if it is here.
func (c *Cache) Lookup(key string) (*Object, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range c.mu.pools {
		if o, ok := c.mu.pools[i].get(key); ok {
			c.hits.Add(1)
			return o, true
		}
	}
	return nil, false
}

// Has says whether an object is here. It counts as no use.
func (c *Cache) Has(key string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range c.mu.pools {
		if c.mu.pools[i].byKey[key] != nil {
			return true
		}
	}
	return false
}

// Load gives an object, calling load where it is not here. Callers at the same
// time share one load, which goes on when the first of them gives up.
func (c *Cache) Load(ctx context.Context, h Heat, key string, load func(ctx context.Context) ([]byte, error)) (*Object, error) {
	if o, ok := c.Lookup(key); ok {
		return o, nil
	}
	ch := c.loads.DoChan(key, func() (any, error) {
		if o, ok := c.Lookup(key); ok {
			return o, nil // a load ended since the look above
		}
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
	for i := range c.mu.pools {
		c.mu.pools[i].remove(key)
	}
}

// Stats counts look-ups that found an object, loads, and bytes held.
func (c *Cache) Stats() (hits, misses, bytes int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range c.mu.pools {
		bytes += c.mu.pools[i].bytes
	}
	return c.hits.Load(), c.misses.Load(), bytes
}
