// Package objectstore is the narrow waist to S3-compatible storage: create-only
// Put, ranged Get, List and Delete, and nothing else.
//
// Owns: the Store interface, its errors, what keys and extents are allowed, and
// decorators that have the same interface (Retry, Hedge, Meter, Router, Fault). The drivers live in sub-packages (disk,
// memory, s3, minio); storetest is the one conformance suite that all pass.
//
// Does not own: key names (coordination has the bucket's key table beside
// etcd's) and object formats (core/segment). It imports nothing of ours.
package objectstore

import (
	"context"
	"errors"
)

// Store keeps immutable objects under keys. Keys are slash-separated, without
// a leading slash (CheckKey has the whole rule); the bucket and prefix belong to
// the driver. No key may continue another one after a slash ("a" beside "a/b"):
// S3 would take both, file systems cannot.
//
// All methods are safe for concurrent use and honour ctx.
type Store interface {
	// Put creates the object key with the concatenation of body. It never
	// replaces: an object that is already there gives ErrExists and stays as it
	// is. When Put returns nil the object is durable. An error that is
	// neither ErrExists nor wraps ErrUnknown is definite: nothing was written by
	// this call. The chunks of body must not change until Put has returned.
	Put(ctx context.Context, key string, body ...[]byte) error

	// Get reads length bytes from offset; length < 0 reads to the end. A
	// negative offset counts from the end (offset -n, length < 0: the last n
	// bytes, or the whole object if it is shorter). A range that passes the
	// end gives what is there; one that begins at or past the end of a
	// non-empty object gives ErrRange. No such object: ErrNotFound. The bytes
	// are the caller's. Extent is the rule as a function.
	Get(ctx context.Context, key string, offset, length int64) ([]byte, error)

	// List gives up to limit objects whose keys begin with prefix and are
	// greater than after, in byte order of keys. Fewer than limit: that was the
	// end. limit must be in 1..1000.
	List(ctx context.Context, prefix, after string, limit int) ([]Info, error)

	// Delete removes objects; one that is not there counts as removed.
	Delete(ctx context.Context, keys ...string) error
}

// Info is one listed object. Size is in bytes.
type Info struct {
	Key  string
	Size int64
}

// Errors, asked for with errors.Is.
var (
	// ErrNotFound: no object has this key.
	ErrNotFound = errors.New("object not found")
	// ErrExists: Put found an object under this key and left it alone.
	ErrExists = errors.New("object exists")
	// ErrRange: Get was asked for a range past the end of the object.
	ErrRange = errors.New("range outside the object")
	// ErrUnknown: the request may or may not have taken effect (time-out, lost
	// answer). Trying the same Put again with the same bytes is harmless.
	ErrUnknown = errors.New("outcome unknown")
	// ErrUnavailable: the store refused or could not be reached, nothing
	// happened, and trying again later makes sense (503 SlowDown, no
	// connection).
	ErrUnavailable = errors.New("object store unavailable")
)
