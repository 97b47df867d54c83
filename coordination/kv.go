// Package coordination is the narrow waist to etcd: guarded transactions,
// reads at one revision, an ordered watch, and leases.
//
// Owns: the KV interface, its errors, the Revision type, and the table of all
// keys in etcd (keys.go) with one card per family. Implementations live in
// sub-packages (etcd, memory); kvtest is the one conformance suite.
//
// Does not own: the values under the keys. It imports nothing of ours.
package coordination

import (
	"context"
	"errors"
	"time"
)

// Revision is etcd's: one number for the whole store, plus one for each
// transaction that changes something. A key's create revision is the
// revision of the transaction that created it after it was last absent, its
// mod revision that of its last change.
type Revision int64

// LeaseID names a granted lease; 0 is no lease.
type LeaseID int64

// Item is one key with its value as of a revision. Value is never nil for a key that is
// there, and must not be changed by the caller.
type Item struct {
	Key         string
	Value       []byte
	Create, Mod Revision
	Lease       LeaseID
}

// Snapshot is what several keys held at one revision.
type Snapshot struct {
	Revision Revision
	Items    []Item // in the order asked for; a missing key has Create 0
}

// Range asks for keys in byte order.
type Range struct {
	Prefix string
	// After, when set, skips keys up to and including itself (the next page).
	After string
	// Limit is the number of keys at most; 0 is no limit.
	Limit int
	// At reads as of this revision; 0 is a linearizable read of the newest.
	At Revision
	// MinCreate, when set, leaves out keys created before this revision. The
	// server filters after reading, and Limit counts what is left.
	MinCreate Revision
	// KeysOnly leaves Value and Lease empty.
	KeysOnly bool
}

// Page answers a Range as of Revision: At, or the store's newest when At was 0.
// More says that the limit cut it.
type Page struct {
	Revision Revision
	Items    []Item
	More     bool
}

// Result answers Commit.
type Result struct {
	// Committed: all guards held and all changes are in, at Revision.
	Committed bool
	Revision  Revision
	// Else holds the keys asked for with orElse as they were when a guard
	// failed, at Revision.
	Else []Item
}

// KV is an ordered key-value store with revisions: etcd, or its model in memory.
type KV interface {
	// Get reads keys at one revision, linearizably; more than OperationsMax
	// keys: ErrTooLarge. Without keys it gives the newest revision.
	Get(ctx context.Context, keys ...string) (Snapshot, error)
	// List reads a range. At > 0 with a compacted revision: ErrCompacted; with one
	// that this server has not reached yet: ErrUnavailable.
	List(ctx context.Context, r Range) (Page, error)
	// Read lists several ranges in one request, all at one revision: that of At, which is the same in each, or
	// the newest (linearizable). More than OperationsMax ranges: ErrTooLarge. Errors are those of List.
	Read(ctx context.Context, ranges ...Range) ([]Page, error)
	// Commit applies all changes in one revision if all guards hold, or else
	// reads the keys orElse. Changes that change nothing (deleting what is not
	// there) make no revision. Errors: ErrUnknown (it may have been applied, now
	// or even later; only the same Commit may be tried again), ErrUnavailable
	// (definite: nothing happened), and definite and final: ErrTooLarge,
	// ErrInvalid, ErrLeaseGone (the lease of a put has ended).
	Commit(ctx context.Context, guards []Guard, changes []Change, orElse ...string) (Result, error)
	// Watch delivers every change below prefix from revision from on; 0: from the
	// next one on. It returns an open watch (but a from that is compacted shows in
	// Updates only), which lives until ctx ends or its channel closes. What is not
	// received is buffered without bound: receive promptly, or end ctx.
	Watch(ctx context.Context, prefix string, from Revision) (Watcher, error)
	// Grant makes a lease that ends ttl (rounded up to whole seconds; etcd gives
	// at least 2 s) after its last renewal.
	Grant(ctx context.Context, ttl time.Duration) (Lease, error)
}

// Lease is a granted lease: keys attached to it go when it ends.
type Lease interface {
	ID() LeaseID
	// Renew starts its time anew, once. ErrLeaseGone: it has ended.
	Renew(ctx context.Context) error
	// Revoke ends it now and deletes its keys. One that has ended counts as revoked.
	Revoke(ctx context.Context) error
}

// Watcher is one open watch.
type Watcher interface {
	// Updates gives changes in revision order; closed after an Update with Err,
	// or when the watch's context ends.
	Updates() <-chan Update
	// RequestProgress asks for an Update that says how far the watch is. The
	// server may drop the request silently (it does while the watch catches up,
	// and before the store has reached the watch's first revision): repeat it.
	RequestProgress(ctx context.Context) error
}

// Update is a step of a watch: all events of one or more whole revisions, never a part of
// one; or only the news that all events up to Revision have been delivered.
type Update struct {
	// Revision up to which (inclusive) everything was delivered with this update.
	Revision Revision
	Events   []Event // in revision order; within one, in the order of the Commit's changes
	// Err ends the watch: ErrCompacted, or ErrUnavailable (open it again).
	Err error
}

// Event is one change of one key. A deletion has a nil Value and Create 0.
type Event struct {
	Key      string
	Value    []byte
	Create   Revision // equal to Revision: this event created the key
	Revision Revision
}

// IsDelete says that the key went away.
func (e Event) IsDelete() bool { return e.Value == nil }

// IsCreate says that the key was not there before this event.
func (e Event) IsCreate() bool { return e.Value != nil && e.Create == e.Revision }

// Errors, asked for with errors.Is.
var (
	ErrCompacted   = errors.New("revision compacted")
	ErrUnknown     = errors.New("outcome unknown")
	ErrUnavailable = errors.New("coordination unavailable")
	ErrTooLarge    = errors.New("transaction too large")
	ErrLeaseGone   = errors.New("lease gone")
	// ErrInvalid: a mistake of the caller (an empty key, two changes of one key).
	ErrInvalid = errors.New("request invalid")
)

// Guard is a comparison that a Commit makes inside its transaction.
type Guard struct {
	Key  string
	Kind GuardKind
	Rev  Revision
	Val  []byte
}

// GuardKind says what a Guard compares.
type GuardKind int

// What a Guard compares. A value comparison with a missing key never holds.
const (
	GuardMissing    GuardKind = iota // the key is not there
	GuardMod                         // its mod revision is Rev (0: not there)
	GuardCreate                      // its create revision is Rev
	GuardValue                       // its value is Val
	GuardValueBelow                  // its value sorts before Val, as bytes
)

// Missing holds while key is not there.
func Missing(key string) Guard { return Guard{Key: key, Kind: GuardMissing} }

// ModIs holds while key was last changed at rev; rev 0: while it is not there.
func ModIs(key string, rev Revision) Guard { return Guard{Key: key, Kind: GuardMod, Rev: rev} }

// CreateIs holds while key was created at rev.
func CreateIs(key string, rev Revision) Guard { return Guard{Key: key, Kind: GuardCreate, Rev: rev} }

// ValueIs holds while key has this value.
func ValueIs(key string, val []byte) Guard { return Guard{Key: key, Kind: GuardValue, Val: val} }

// ValueBelow holds while key's value sorts before val.
func ValueBelow(key string, val []byte) Guard {
	return Guard{Key: key, Kind: GuardValueBelow, Val: val}
}

// Change is one change of a Commit. At most one change may touch a key.
type Change struct {
	Key    string
	Value  []byte // put when not nil
	Lease  LeaseID
	Prefix bool // with a nil Value: delete all keys that begin with Key
}

// PutKey sets key to value (nil counts as empty).
func PutKey(key string, value []byte) Change {
	if value == nil {
		value = []byte{}
	}
	return Change{Key: key, Value: value}
}

// PutLeased sets key to value for as long as the lease lives.
func PutLeased(key string, value []byte, lease LeaseID) Change {
	c := PutKey(key, value)
	c.Lease = lease
	return c
}

// DeleteKey removes key.
func DeleteKey(key string) Change { return Change{Key: key} }

// DeletePrefix removes all keys that begin with prefix.
func DeletePrefix(prefix string) Change { return Change{Key: prefix, Prefix: true} }
