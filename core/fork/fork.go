// Package fork makes a topic out of another one without copying a byte: the new topic's heads refer to the objects of the source.
//
//	source  head ─► manifest ─► pages ─► objects ◄─┐
//	           └──► spans ──────────────► objects ◄┤
//	fork    head ─► the same manifest, owner: source
//	           └──► the same spans, owner: source
//
// From then on each goes its own way: objects never change, every change of references is of one head, and sweep counts what all
// heads name. A fork writes a manifest of its own when it first changes what it shares (Adopt in core/manifest): when it is spilled,
// pruned, compacted or chilled.
//
// Flow (Fork):
//
//  1. Behind a barrier the source's heads are checkpointed: what was acknowledged before the call is in the fork.
//  2. Topics and heads are read at one revision. With a time, the offset where each partition ends is looked for (cut.go).
//  3. The fork's heads are made of the source's (head.go): the same references up to the end, no producers, and an abort marker
//     for each transaction that is open there.
//  4. One transaction creates the topic and all its heads. So a fork is there whole or not at all, in etcd as in the fold, and no head
//     is ever without its topic. What does not fit into one is refused before anything is written.
//
// Invariant (I8): objects at or below the floor may be referred to anew, since the transaction compares the mod revision of each head that
// keeps them alive. Had a head changed after it was read, sweep might have judged what only the old one named. The ids above the
// floor need no comparison of their own: the same heads name them.
//
// Producers are not taken over: their next batches go to the source, and a sequence window that nobody continues would only refuse a
// producer that comes to the fork with another history. To the fork everyone is new, and begins at sequence 0.
//
// Owns: the heads that a fork begins with, and the transaction. Does not own: names and configs (core/topic), checkpointing
// (core/upkeep), reading manifests (core/archive).
package fork

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/archive"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/pause"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/stream"
	"github.com/firnlog/firnlog/core/topic"
	"github.com/firnlog/firnlog/objectstore"
)

// Errors, asked for with errors.Is, beside those of core/topic (ErrExists, ErrUnknownTopic, ErrInvalidName, ErrUnavailable, ErrUnknown).
var (
	// ErrTooLarge: topic and heads do not fit into one transaction. Nothing was written.
	ErrTooLarge = errors.New("topic does not fit into one transaction")
	// ErrStorage: bytes that say where the fork would end cannot be read.
	ErrStorage = errors.New("stored bytes cannot be read")
)

// PartitionsMax is how many partitions a topic may have to be forked: the source's heads and three more keys are read, and compared, in
// one transaction.
const PartitionsMax = coordination.OperationsMax - 3

// LookBack is how far before the time of a fork transactions are looked for that are open there: four times what a transaction may
// last.
const LookBack = time.Hour

const (
	tries    = 20
	pauseMin = 5 * time.Millisecond
	pauseMax = 200 * time.Millisecond
)

// Settings of a Forker.
type Settings struct {
	Store   objectstore.Store
	KV      coordination.KV
	Keys    coordination.Keys
	Stream  *stream.Stream
	Archive *archive.Archive
	// Cover checkpoints a topic, so that its heads have everything acknowledged before the call (core/upkeep).
	Cover func(context.Context, record.TopicID) error
	// NewID draws a topic id that was never used before.
	NewID func() record.TopicID
	Now   func() time.Time
	// LookBack as above.
	LookBack time.Duration
}

// Forker forks topics. It is safe for concurrent use.
type Forker struct{ Settings }

// New makes a Forker.
func New(s Settings) *Forker { return &Forker{s} }

// Request says what to fork.
type Request struct {
	From, Name string
	// At, if not zero, ends each partition before the batch of its first record with this time or a later one.
	At time.Time
}

// Result is a fork as it was made.
type Result struct {
	Topic      *ledger.Topic
	Partitions []Partition
	Objects    int64 // references to objects that are shared; manifests count for what they list
	Bytes      int64 // that they refer to
	Gets       int   // that it took to find where partitions end
	BytesRead  int64 // by them
}

// Partition is one of a fork.
type Partition struct {
	Partition  int32
	Start, End record.Offset // as the fork begins
	Aborted    int           // transactions that were open where it ends: as many offsets are their markers
}

// attempt is one call.
type attempt struct {
	*Forker
	Request
	source *ledger.Topic
	ids    map[record.TopicID]Result // of the tries so far
	ends   map[int32]end             // found once: what comes later does not move them
	unsure bool
	gets   int
	bytes  int64
}

// Fork makes the topic. Other changes of the source's heads in between are met by reading again.
//
// After an unknown outcome the key of the new topic is read again: one of the ids drawn here says that this try succeeded. As in
// Create of core/topic each try has an id of its own.
func (f *Forker) Fork(ctx context.Context, r Request) (Result, error) {
	a := &attempt{Forker: f, Request: r, ids: map[record.TopicID]Result{}, ends: map[int32]end{}}
	if err := a.begin(ctx); err != nil {
		return Result{}, err
	}
	var last error
	for try := range tries {
		if try > 0 {
			if err := pause.For(ctx, pause.Backoff(try-1, pauseMin, pauseMax)); err != nil {
				last = err
				break
			}
		}
		out, done, err := a.try(ctx)
		if done {
			return out, err
		}
		last = err
		if ctx.Err() != nil {
			break
		}
	}
	class := topic.ErrUnavailable
	if a.unsure {
		class = topic.ErrUnknown
	}
	if last == nil {
		last = fmt.Errorf("the heads of topic %q changed %d times in a row", r.From, tries)
	}
	return Result{}, fmt.Errorf("%w: %w", class, last)
}

// begin checks what may be refused at once, and covers the source.
func (a *attempt) begin(ctx context.Context) error {
	if err := a.Stream.Barrier(ctx); err != nil {
		return fmt.Errorf("%w: %w", topic.ErrUnavailable, err)
	}
	source, ok := a.Stream.TopicByName(a.From)
	if !ok {
		return fmt.Errorf("%w: %q", topic.ErrUnknownTopic, a.From)
	}
	if err := topic.CheckNew(a.Name, a.Stream.AllTopics()); err != nil {
		return err
	}
	if source.Partitions > PartitionsMax {
		return fmt.Errorf("%w: topic %q has %d partitions, at most %d can be forked", ErrTooLarge, a.From, source.Partitions, PartitionsMax)
	}
	a.source = source
	if err := a.Cover(ctx, source.ID); err != nil {
		return fmt.Errorf("%w: %w", topic.ErrUnavailable, err)
	}
	return nil
}

// present is what etcd held at one revision.
type present struct {
	format []byte
	name   coordination.Item // of the fork
	source coordination.Item
	heads  []coordination.Item // of the source, by partition
}

// try reads, makes the heads, and writes. done is false for another try.
func (a *attempt) try(ctx context.Context) (out Result, done bool, err error) {
	now, gone := a.read(ctx)
	if now != nil && now.name.Create != 0 {
		t, err := ledger.DecodeTopic(a.Name, now.name.Value, now.name.Mod)
		if err != nil {
			return Result{}, true, err
		}
		if made, mine := a.ids[t.ID]; mine {
			return made, true, a.seen(ctx, now.name.Mod)
		}
		return Result{}, true, fmt.Errorf("%w: %q", topic.ErrExists, a.Name)
	}
	if gone != nil {
		return Result{}, errors.Is(gone, ledger.ErrEra) || errors.Is(gone, topic.ErrUnknownTopic) && !a.unsure, gone
	}
	heads, out, err := a.heads(ctx, now)
	if errors.Is(err, objectstore.ErrNotFound) || errors.Is(err, objectstore.ErrUnavailable) || ctx.Err() != nil {
		return Result{}, false, err // replaced and swept meanwhile: the heads are others by now
	}
	if err != nil {
		return Result{}, true, fmt.Errorf("%w: %w", ErrStorage, err)
	}
	return a.write(ctx, now, heads, out)
}

// read gives topics and heads at one revision.
func (a *attempt) read(ctx context.Context) (*present, error) {
	keys := []string{a.Keys.Format(), a.Keys.Topic(a.Name), a.Keys.Topic(a.From)}
	for p := range a.source.Partitions {
		keys = append(keys, a.Keys.Head(a.source.ID, p))
	}
	snap, err := a.KV.Get(ctx, keys...)
	if err != nil {
		return nil, fmt.Errorf("read heads of topic %q: %w", a.From, err)
	}
	for i := range snap.Items {
		snap.Items[i].Key = keys[i]
	}
	if format := a.Stream.FormatValue(); format == nil || !bytes.Equal(snap.Items[0].Value, format) {
		return nil, fmt.Errorf("fork: log/format is %q: %w", snap.Items[0].Value, ledger.ErrEra)
	}
	now := &present{format: snap.Items[0].Value, name: snap.Items[1], source: snap.Items[2], heads: snap.Items[3:]}
	if now.source.Create == 0 {
		return now, fmt.Errorf("%w: %q", topic.ErrUnknownTopic, a.From)
	}
	t, err := ledger.DecodeTopic(a.From, now.source.Value, now.source.Mod)
	if err != nil {
		return nil, err
	}
	if t.ID != a.source.ID || t.Partitions != a.source.Partitions {
		return now, fmt.Errorf("%w: %q was deleted, or has more partitions than before", topic.ErrUnknownTopic, a.From)
	}
	a.source = t
	return now, nil
}

// write creates topic and heads in one transaction. The topic comes first: within a revision the fold takes changes in their order.
func (a *attempt) write(ctx context.Context, now *present, heads [][]byte, out Result) (Result, bool, error) {
	t := *a.source
	t.Name, t.ID, t.Configs = a.Name, a.NewID(), maps.Clone(a.source.Configs)
	out.Topic = &t
	guards := []coordination.Guard{
		coordination.ValueIs(a.Keys.Format(), now.format), coordination.Missing(now.name.Key), coordination.ModIs(now.source.Key, now.source.Mod),
	}
	changes := []coordination.Change{coordination.PutKey(now.name.Key, t.Encode())}
	for p, value := range heads {
		guards = append(guards, coordination.ModIs(now.heads[p].Key, now.heads[p].Mod))
		if value != nil {
			changes = append(changes, coordination.PutKey(a.Keys.Head(t.ID, int32(p)), value))
		}
	}
	a.ids[t.ID] = out
	res, err := a.KV.Commit(ctx, guards, changes)
	switch {
	case errors.Is(err, coordination.ErrTooLarge):
		return Result{}, true, fmt.Errorf("%w: the heads of topic %q have %d bytes, at most %d fit; settling makes them smaller: try again later (%w)",
			ErrTooLarge, a.From, coordination.CommitBytes(guards, changes, nil), coordination.CommitBytesMax, err)
	case err != nil:
		a.unsure = a.unsure || errors.Is(err, coordination.ErrUnknown)
		return Result{}, false, fmt.Errorf("commit the fork: %w", err)
	case !res.Committed:
		return Result{}, false, nil
	}
	return out, true, a.seen(ctx, res.Revision)
}

// seen waits until this instance serves the fork.
func (a *attempt) seen(ctx context.Context, revision coordination.Revision) error {
	if err := a.Stream.WaitRevision(ctx, revision); err != nil {
		return fmt.Errorf("%w: the fork %q is made, but not yet seen here: %w", topic.ErrUnknown, a.Name, err)
	}
	return nil
}
