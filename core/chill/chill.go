// Package chill moves old objects to cheaper storage: what a partition has settled for good, and whose newest record is older than
// firnlog.cold.after.ms, is copied to cold/… in the storage class of firnlog.cold.storage.class, or to another bucket
// (objectstore.Router), and the manifest refers to the copy. Readers see no difference but in time and price.
//
// A step copies a bounded number of bytes, one object in memory at a time, each read back to its last checksum first, and swaps the
// entries of neighbouring objects together. Doing it twice makes a copy that sweep finds; stopping anywhere loses nothing.
//
// Compacted topics stay where they are, since log compaction rewrites them; what a fork shares with its source is the
// source's to move.
//
// Owns: what is moved when. Does not own: where cold keys lie (objectstore), the swap (core/amend).
package chill

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/firnlog/firnlog/core/amend"
	"github.com/firnlog/firnlog/core/archive"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/manifest"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/reference"
	"github.com/firnlog/firnlog/core/rule"
	"github.com/firnlog/firnlog/core/segment"
	"github.com/firnlog/firnlog/core/stream"
	"github.com/firnlog/firnlog/core/topic"
	"github.com/firnlog/firnlog/objectstore"
)

// Settings of a Chiller. Defaults says what is usual.
type Settings struct {
	Store   objectstore.Store
	Stream  *stream.Stream
	Archive *archive.Archive
	Amender *amend.Amender
	Now     func() time.Time
	Log     *slog.Logger
	// Elsewhere says that cold keys lie in another bucket, so that a move without a class makes sense.
	Elsewhere bool
	// Observe is told of what was moved; may be nil.
	Observe func(objects int, bytes int64)

	// BytesMax are copied in one step, or one object.
	BytesMax int64
	// EntriesMax are swapped together.
	EntriesMax int
	// Retry is after what time a partition is tried again that could not be moved: a class that the store refuses, say.
	Retry time.Duration
}

// Defaults fills in the usual.
func (s Settings) Defaults() Settings {
	s.BytesMax, s.EntriesMax, s.Retry = 1<<30, 32, 10*time.Minute
	return s
}

// Chiller moves. What it remembers saves reads.
type Chiller struct {
	Settings
	busy    atomic.Bool // a step is under way: it alone touches what follows
	seen    map[record.TopicPartition]look
	refused atomic.Int64
}

// look is what was found at a partition: nothing to do before again, unless there is another manifest or another config.
type look struct {
	manifest ulid.ULID
	topic    int64 // mod revision
	again    time.Time
	cold     record.Offset // nothing is left to move below
	refused  bool
}

// New makes a Chiller; it does nothing by itself.
func New(s Settings) *Chiller {
	return &Chiller{Settings: s, seen: map[record.TopicPartition]look{}}
}

// Refused is the number of partitions whose storage class the store does not take.
func (c *Chiller) Refused() int { return int(c.refused.Load()) }

// errLeft: enough for this step.
var errLeft = errors.New("enough was moved")

// Step moves what is due, BytesMax at most, and says whether there is more.
func (c *Chiller) Step(ctx context.Context) (more bool, err error) {
	if !c.busy.CompareAndSwap(false, true) {
		return false, nil
	}
	defer c.busy.Store(false)
	parts, err := c.look()
	if err != nil {
		return false, err
	}
	left := c.BytesMax
	for _, p := range parts {
		found, err := c.partition(ctx, p, &left)
		switch {
		case errors.Is(err, errLeft):
			return true, nil
		case ctx.Err() != nil:
			return false, ctx.Err()
		case err != nil:
			found.again = c.Now().Add(c.Retry)
			found.refused = errors.Is(err, objectstore.ErrClass)
			c.Log.Error("objects cannot be moved to cold storage; they stay readable where they are", "topic", p.topic.Name, "partition", p.tp.Partition,
				"class", p.class, "config", topic.ColdStorageClass, "error", err)
		}
		c.seen[p.tp] = found
	}
	n := int64(0)
	for _, l := range c.seen {
		if l.refused {
			n++
		}
	}
	c.refused.Store(n)
	return false, nil
}

// partition is one that may have something to move.
type partition struct {
	tp       record.TopicPartition
	topic    *ledger.Topic
	manifest *ledger.Manifest
	start    record.Offset
	after    time.Duration
	class    string
	// copies are the objects that were copied last, and their copies: entries of one object may lie in several runs.
	copies map[ulid.ULID]made
}

// made is a copy, and when its id was drawn.
type made struct {
	id ulid.ULID
	at time.Time
}

// copyMax is how old a copy may be that one more entry is to refer to: the floor must not have passed its id, and follows after
// a minute.
const copyMax = 20 * time.Second

// look lists the partitions with a manifest of topics that have a cold storage.
func (c *Chiller) look() (out []*partition, err error) {
	now := c.Now()
	alive := map[record.TopicPartition]bool{}
	err = c.Stream.View(func(l *ledger.Ledger) {
		for _, t := range l.Topics() {
			after, class, ok := topic.Cold(t)
			if !ok || class == "" && !c.Elsewhere {
				continue
			}
			for i := range t.Partitions {
				tp := record.TopicPartition{Topic: t.ID, Partition: i}
				state := l.Partition(tp)
				m := state.Manifest()
				if m == nil {
					continue
				}
				alive[tp] = true
				if seen := c.seen[tp]; seen.manifest != m.ID || seen.topic != int64(t.Mod) || !now.Before(seen.again) {
					out = append(out, &partition{tp: tp, topic: t, manifest: m, start: state.LogStart(), after: after, class: class})
				}
			}
		}
	})
	for tp := range c.seen {
		if !alive[tp] {
			delete(c.seen, tp)
		}
	}
	return out, err
}

// partition moves what is old enough, in the order of offsets, and says what is left to know.
func (c *Chiller) partition(ctx context.Context, p *partition, left *int64) (look, error) {
	found := look{manifest: p.manifest.ID, topic: int64(p.topic.Mod), again: c.Now().Add(24 * time.Hour), cold: c.seen[p.tp].cold}
	shelf, err := c.Archive.Open(ctx, p.tp, p.manifest)
	if err != nil {
		return found, err
	}
	oldest := c.Now().Add(-p.after)
	p.copies = map[ulid.ULID]made{}
	var run []manifest.Entry
	for e, err := range shelf.Entries(ctx, max(found.cold, p.start)) {
		if err != nil {
			return found, err
		}
		if e.Place == ledger.InOwn && e.MaxTimestamp > oldest.UnixMilli() {
			found.again = time.UnixMilli(e.MaxTimestamp).Add(p.after + time.Millisecond)
			break
		}
		// Neighbours only are swapped together; what is cold, or another partition's, ends a run.
		if mine := e.Place == ledger.InOwn && e.Owner == (record.TopicPartition{}); mine {
			run = append(run, e)
		} else if len(run) == 0 {
			found.cold = e.End
			continue
		}
		if len(run) == c.EntriesMax || run[len(run)-1].End != e.End || sum(run) >= *left {
			if err := c.move(ctx, p, run, left); err != nil {
				return found, err
			}
			found.cold, run = e.End, nil
		}
	}
	if len(run) > 0 {
		if err := c.move(ctx, p, run, left); err != nil {
			return found, err
		}
		found.cold = run[len(run)-1].End
	}
	return found, nil
}

func sum(entries []manifest.Entry) (bytes int64) {
	for i := range entries {
		bytes += entries[i].Length
	}
	return bytes
}

// move copies the objects of entries that follow each other, and lets the manifest refer to the copies.
func (c *Chiller) move(ctx context.Context, p *partition, old []manifest.Entry, left *int64) error {
	if *left <= 0 {
		return errLeft
	}
	with := make([]manifest.Entry, len(old))
	objects := make([]ulid.ULID, len(old))
	copied := 0
	for i, e := range old {
		if last, ok := p.copies[e.Segment]; !ok || c.Now().Sub(last.at) > copyMax {
			at := c.Now()
			id, err := c.copy(ctx, p, &e)
			if err != nil {
				return err
			}
			p.copies[e.Segment] = made{id, at}
			copied++
		}
		e.Segment, e.Place = p.copies[e.Segment].id, ledger.InCold
		with[i], objects[i] = e, e.Segment
	}
	*left -= sum(old)
	out, err := c.Amender.Amend(ctx, amend.Amendment{
		Partition: p.tp, Objects: objects,
		Edit: func(root *manifest.Root, pager manifest.Pager) (manifest.Change, error) {
			return root.Replace(old, with, pager)
		},
	})
	if err != nil {
		return err
	}
	if out != reference.Swapped {
		return fmt.Errorf("references are %v", out)
	}
	if c.Observe != nil {
		c.Observe(copied, sum(old))
	}
	return nil
}

// copy puts the object of an entry below cold/, after every byte of it was checked.
func (c *Chiller) copy(ctx context.Context, p *partition, e *manifest.Entry) (ulid.ULID, error) {
	key := e.Key(p.tp)
	object, err := c.Store.Get(ctx, key, 0, -1)
	if err != nil {
		return ulid.ULID{}, fmt.Errorf("get %s: %w", key, err)
	}
	index, err := segment.VerifySettled(object)
	if err != nil {
		return ulid.ULID{}, fmt.Errorf("%s: %w", key, err)
	}
	if run, ok := index.Find(p.tp, e.Base); !ok || run.Base > e.Base || run.End < e.End || run.Position > e.Position || run.Position+run.Length < e.Position+e.Length {
		return ulid.ULID{}, fmt.Errorf("%s does not hold offsets %d to %d where the manifest says: %w", key, e.Base, e.End, segment.ErrCorrupt)
	}
	id, err := c.Stream.NewID()
	if err != nil {
		return ulid.ULID{}, err
	}
	if !rule.On(rule.CopyBeforeSwap) {
		return id, nil
	}
	if err := c.Store.Put(objectstore.InClass(ctx, p.class), ledger.ObjectKey(ledger.InCold, p.tp, id), object); err != nil {
		return ulid.ULID{}, err
	}
	return id, nil
}
