package objectstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Router is two stores that look like one: what is put below a prefix goes to another bucket. It is for data that is
// kept for years beside data that is written and read all the time.
//
// There may be keys below the prefix in the first store, from before there was another: they are found too.
type Router struct {
	store, other Store
	prefix       string
}

// NewRouter sends keys that begin with prefix to other and the rest to store.
func NewRouter(store, other Store, prefix string) *Router {
	return &Router{store: store, other: other, prefix: prefix}
}

// routed says whether a key is put to the other store.
func (r *Router) routed(key string) bool { return strings.HasPrefix(key, r.prefix) }

// Put is Store's.
func (r *Router) Put(ctx context.Context, key string, body ...[]byte) error {
	if r.routed(key) {
		return r.other.Put(ctx, key, body...)
	}
	return r.store.Put(ctx, key, body...)
}

// Get is Store's.
func (r *Router) Get(ctx context.Context, key string, offset, length int64) ([]byte, error) {
	if !r.routed(key) {
		return r.store.Get(ctx, key, offset, length)
	}
	b, err := r.other.Get(ctx, key, offset, length)
	if errors.Is(err, ErrNotFound) {
		return r.store.Get(ctx, key, offset, length)
	}
	return b, err
}

// List is Store's. A prefix that both may have keys of is asked of both.
func (r *Router) List(ctx context.Context, prefix, after string, limit int) ([]Info, error) {
	page, err := r.store.List(ctx, prefix, after, limit)
	narrow := prefix
	if strings.HasPrefix(r.prefix, prefix) {
		narrow = r.prefix
	}
	if err != nil || !r.routed(narrow) {
		return page, err
	}
	others, err := r.other.List(ctx, narrow, after, limit)
	if err != nil {
		return nil, fmt.Errorf("list the other store: %w", err)
	}
	page = append(page, others...)
	slices.SortStableFunc(page, func(a, b Info) int { return strings.Compare(a.Key, b.Key) })
	page = slices.CompactFunc(page, func(a, b Info) bool { return a.Key == b.Key })
	return page[:min(len(page), limit)], nil
}

// Delete is Store's. What may be in both goes from both.
func (r *Router) Delete(ctx context.Context, keys ...string) error {
	var there []string
	for _, key := range keys {
		if r.routed(key) {
			there = append(there, key)
		}
	}
	if len(there) > 0 {
		if err := r.other.Delete(ctx, there...); err != nil {
			return fmt.Errorf("delete in the other store: %w", err)
		}
	}
	return r.store.Delete(ctx, keys...)
}
