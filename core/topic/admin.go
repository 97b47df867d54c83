// Package topic administers topics: create, delete, grow, configure.
//
// A topic is one key in etcd (coordination.Keys.Topic). Every change is one
// guarded transaction: the topic key is as it was read, and log/format is the
// value that this instance folds by. A guard that fails means that somebody
// else was there first: read again and decide again. An outcome that is
// unknown is never guessed: the key is read again, and what stands there
// decides (see each verb).
//
// Owns: the rules of names, partition counts and replication factors, and the
// table of topic configs (table.go) with typed getters (effective.go).
// Does not own: the live view of topics (core/stream), nor records
// (DeleteRecords is upkeep's).
package topic

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/pause"
	"github.com/firnlog/firnlog/core/record"
)

// View is what Admin needs of the stream.
type View interface {
	TopicByID(id record.TopicID) (*ledger.Topic, bool)
	// AllTopics is asked for names that collide only.
	AllTopics() []*ledger.Topic
	// WaitRevision returns once the view includes everything up to the revision.
	WaitRevision(ctx context.Context, revision coordination.Revision) error
	// Barrier returns once the view includes everything acknowledged before the call.
	Barrier(ctx context.Context) error
	// FormatValue is the value of log/format that this instance folds by.
	FormatValue() []byte
}

// Settings are the cluster's defaults for new topics.
type Settings struct {
	Partitions        int32 // of a topic whose creator leaves it open
	ReplicationFactor int16 // shown to clients; durability is the object store's
	PartitionsMax     int32 // of one topic
}

// DefaultSettings are used where the operator says nothing.
func DefaultSettings() Settings {
	return Settings{Partitions: 1, ReplicationFactor: 1, PartitionsMax: 10_000}
}

// Errors, asked for with errors.Is. All but ErrUnavailable and ErrUnknown are definite and final.
var (
	ErrExists             = errors.New("topic already exists")
	ErrUnknownTopic       = errors.New("unknown topic")
	ErrUnknownID          = errors.New("unknown topic id")
	ErrInvalidName        = errors.New("invalid topic name")
	ErrInvalidPartitions  = errors.New("invalid number of partitions")
	ErrInvalidReplication = errors.New("invalid replication factor")
	ErrInvalidConfig      = errors.New("invalid config")
	// ErrUnavailable: etcd cannot be reached or keeps changing below us. Nothing happened; try again.
	ErrUnavailable = errors.New("topic administration is not available now")
	// ErrUnknown: the change may have been made; read before trying again.
	ErrUnknown = errors.New("outcome of the topic change is unknown")
)

// Admin changes topics. It is safe for concurrent use and on every instance at once.
type Admin struct {
	kv       coordination.KV
	keys     coordination.Keys
	view     View
	newID    func() record.TopicID
	settings Settings
}

// New makes an Admin. newID draws a random topic id that was never used before.
func New(kv coordination.KV, keys coordination.Keys, view View, newID func() record.TopicID, settings Settings) *Admin {
	return &Admin{kv: kv, keys: keys, view: view, newID: newID, settings: settings}
}

// Settings gives the cluster's defaults.
func (a *Admin) Settings() Settings { return a.settings }

// tries bounds how often one change is begun anew, and the pauses how quickly.
const (
	tries    = 8
	pauseMin = 50 * time.Millisecond
	pauseMax = 800 * time.Millisecond
)

// step reads, decides and commits once. done false asks for another try.
type step func(ctx context.Context) (done bool, err error)

// repeat runs a step until it is done. A step that ends with coordination.ErrUnknown or
// ErrUnavailable is tried again: each step begins with a read, which is how an unknown outcome is decided.
func repeat(ctx context.Context, s step) error {
	unsure := false
	var last error
	for try := range tries {
		if try > 0 {
			if err := pause.For(ctx, pause.Backoff(try-1, pauseMin, pauseMax)); err != nil {
				last = err
				break
			}
		}
		done, err := s(ctx)
		if done {
			return err
		}
		unsure = unsure || errors.Is(err, coordination.ErrUnknown)
		last = err
		if ctx.Err() != nil {
			break
		}
	}
	class := ErrUnavailable
	if unsure {
		class = ErrUnknown
	}
	if last == nil {
		return fmt.Errorf("%w: others changed the same topic %d times in a row", class, tries)
	}
	return fmt.Errorf("%w: %w", class, last)
}

// read gives the topic as it stands in etcd; nil when there is none. format is log/format as of before, which commit compares:
// revisions repeat in an etcd that was rebuilt, so what was read in one era is written in no other.
func (a *Admin) read(ctx context.Context, name string) (t *ledger.Topic, format []byte, err error) {
	format = a.view.FormatValue()
	snap, err := a.kv.Get(ctx, a.keys.Topic(name))
	if err != nil {
		return nil, nil, fmt.Errorf("read topic %q: %w", name, err)
	}
	if len(snap.Items) == 0 || snap.Items[0].Create == 0 {
		return nil, format, nil
	}
	t, err = ledger.DecodeTopic(name, snap.Items[0].Value, snap.Items[0].Mod)
	return t, format, err
}

// commit makes a change if the topic key was last changed at mod (0: is not there) and the
// format is as it was when that was read. After it this instance's view has the change. done false: somebody else was first.
func (a *Admin) commit(ctx context.Context, format []byte, name string, mod coordination.Revision, changes ...coordination.Change) (done bool, err error) {
	guards := []coordination.Guard{
		coordination.ValueIs(a.keys.Format(), format),
		coordination.ModIs(a.keys.Topic(name), mod),
	}
	if mod == 0 {
		guards[1] = coordination.Missing(a.keys.Topic(name))
	}
	res, err := a.kv.Commit(ctx, guards, changes)
	if err != nil {
		if errors.Is(err, coordination.ErrTooLarge) {
			return true, fmt.Errorf("%w: topic %q with all its configs is too large for etcd", ErrInvalidConfig, name)
		}
		return false, fmt.Errorf("commit topic %q: %w", name, err)
	}
	if !res.Committed {
		return false, nil
	}
	if err := a.view.WaitRevision(ctx, res.Revision); err != nil {
		return true, fmt.Errorf("%w: the change of topic %q is made, but not yet seen here: %w", ErrUnknown, name, err)
	}
	return true, nil
}

// seen waits until the view has what stands in etcd, where a read (not our commit's answer) decided.
func (a *Admin) seen(ctx context.Context, revision coordination.Revision) error {
	if err := a.view.WaitRevision(ctx, revision); err != nil {
		return fmt.Errorf("%w: %w", ErrUnknown, err)
	}
	return nil
}
