package fsck

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/firnlog/firnlog/core/archive"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/pause"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/stream"
	"github.com/firnlog/firnlog/objectstore"
)

// ScrubSettings of a Scrubber.
type ScrubSettings struct {
	Store  objectstore.Store
	Stream *stream.Stream
	Now    func() time.Time
	Log    *slog.Logger
	Random func() float64 // where it begins: 0 to below 1
	// BytesPerSecond are read on average; 0: as fast as it goes. A GET counts as GetBytes at least, so that requests are bounded too.
	BytesPerSecond, GetBytes int64
	// StepBytes ends a step; 0: For does.
	StepBytes int64
	// For is how long a step goes on, RoundMin how long a round through everything takes at least: what is small is not read
	// all the time.
	For, RoundMin time.Duration
	// Observe is told of each stretch that was read; may be nil.
	Observe func(bytes int64, found []Finding)
}

// Scrubber reads everything that partitions refer to, slowly and for ever, and says what is damaged while it can still be mended. Where
// it is, it keeps in memory alone, but for who asks for its Place: after a restart it begins somewhere at random.
type Scrubber struct {
	ScrubSettings
	archive *archive.Archive
	reader  *reader
	begun   bool
	at      place
	round   time.Time // when it began
	counted int64     // bytes of this step
}

// place is where a scrub goes on.
type place struct {
	folder string // of the partition
	offset record.Offset
}

// scrubArchive is memory for manifests and indexes: each is read once a round.
const scrubArchive = 4 << 20

// NewScrubber makes one; it starts nothing. Step must not be called twice at once.
func NewScrubber(s ScrubSettings) *Scrubber {
	if s.Observe == nil {
		s.Observe = func(int64, []Finding) {}
	}
	c := &Scrubber{ScrubSettings: s, archive: archive.New(s.Store, scrubArchive)}
	c.reader = newReader(s.Store, c.archive, c.pace)
	return c
}

// Place is where a scrub goes on, for who keeps it elsewhere than in memory.
type Place struct {
	Folder string        `json:"folder"` // of a partition
	Offset record.Offset `json:"offset"`
	Round  time.Time     `json:"round"` // when it began at the first partition
}

// Place says where the next step goes on.
func (c *Scrubber) Place() Place { return Place{c.at.folder, c.at.offset, c.round} }

// GoOn lets the next step go on there.
func (c *Scrubber) GoOn(p Place) {
	c.begun, c.at, c.round = true, place{p.Folder, p.Offset}, p.Round
}

// pace waits as long as bytes should take.
func (c *Scrubber) pace(ctx context.Context, bytes int64) error {
	c.counted += max(bytes, c.GetBytes)
	if c.BytesPerSecond == 0 {
		return ctx.Err()
	}
	seconds := float64(max(bytes, c.GetBytes)) / float64(c.BytesPerSecond)
	return pause.For(ctx, time.Duration(seconds*float64(time.Second)))
}

var errTime = errors.New("the time of a step is over")

// Step goes on for a while: through the partitions in the order of their folders, round and round.
func (c *Scrubber) Step(ctx context.Context) error {
	until := c.Now().Add(c.For)
	c.counted = 0
	all, err := c.partitions()
	if err != nil || len(all) == 0 {
		return err
	}
	for range all {
		if c.begun && c.at.folder > ledger.Folder("", all[len(all)-1]) {
			if c.Now().Sub(c.round) < c.RoundMin {
				return nil
			}
			c.at, c.round = place{offset: -1}, c.Now()
		}
		next, from := c.next(all)
		err := c.partition(ctx, next, from, until)
		switch {
		case errors.Is(err, errTime):
			return nil
		case err != nil:
			return fmt.Errorf("scrub: %w", err)
		}
		c.at = place{folder: ledger.Folder("", next) + "~"} // after all of its offsets
	}
	return nil
}

func (c *Scrubber) partitions() (all []record.TopicPartition, err error) {
	err = c.Stream.View(func(l *ledger.Ledger) {
		l.EachPartition(func(tp record.TopicPartition, _ *ledger.Partition) { all = append(all, tp) })
	})
	slices.SortFunc(all, func(a, b record.TopicPartition) int { return cmp.Compare(ledger.Folder("", a), ledger.Folder("", b)) })
	return all, err
}

// next gives the partition to go on with, and from which offset.
func (c *Scrubber) next(all []record.TopicPartition) (record.TopicPartition, record.Offset) {
	if !c.begun {
		c.begun, c.round = true, c.Now()
		tp := all[min(int(c.Random()*float64(len(all))), len(all)-1)]
		from := record.Offset(0)
		_ = c.Stream.View(func(l *ledger.Ledger) { // 0 while not ready
			p := l.Partition(tp)
			from = p.LogStart() + record.Offset(c.Random()*float64(p.Next()-p.LogStart()))
		})
		return tp, from
	}
	for _, tp := range all {
		if folder := ledger.Folder("", tp); folder == c.at.folder {
			return tp, c.at.offset
		} else if folder > c.at.folder {
			return tp, -1
		}
	}
	return all[0], -1
}

// partition reads one from an offset on.
func (c *Scrubber) partition(ctx context.Context, tp record.TopicPartition, from record.Offset, until time.Time) error {
	l, err := c.look(tp)
	if err != nil {
		return err
	}
	err = l.each(ctx, c.archive, from, func(s *stretch) error {
		c.at = place{ledger.Folder("", tp), s.Base}
		if !c.Now().Before(until) || c.StepBytes > 0 && c.counted >= c.StepBytes {
			return errTime
		}
		return c.check(ctx, s)
	})
	if !isDamage(err) {
		return err
	}
	// A manifest that cannot be read: still named?
	if err2 := c.Stream.Barrier(ctx); err2 != nil {
		return err2
	}
	now, err2 := c.look(tp)
	if err2 != nil || now.manifest == nil || l.manifest == nil || now.manifest.ID != l.manifest.ID {
		return err2
	}
	c.tell(0, []Finding{finding(ManifestBad, l.name, "manifest of offsets %d to %d: %v", l.manifest.Base, l.manifest.End-1, err)})
	return nil
}

func (c *Scrubber) look(tp record.TopicPartition) (l *look, err error) {
	err = c.Stream.View(func(all *ledger.Ledger) { l = lookAt(all, tp) })
	return l, err
}

// check reads one stretch; what has been replaced meanwhile is no finding.
func (c *Scrubber) check(ctx context.Context, s *stretch) error {
	before := c.reader.bytes
	found, err := c.reader.check(ctx, s, s.Position+s.Length)
	if gone := errors.Is(err, objectstore.ErrNotFound); gone {
		found = []Finding{finding(Missing, s.name, "%s of offsets %d to %d", s.Key(s.tp), s.Base, s.End-1)}
	} else if err != nil {
		return err
	}
	if len(found) > 0 {
		if err := c.Stream.Barrier(ctx); err != nil {
			return err
		}
		l, err := c.look(s.tp)
		if err != nil {
			return err
		}
		if still, err := l.names(ctx, c.archive, s); err != nil || !still {
			return err
		}
	}
	c.tell(c.reader.bytes-before, found)
	return nil
}

func (c *Scrubber) tell(bytes int64, found []Finding) {
	for _, f := range found {
		c.Log.Error("scrub: "+f.Means, "kind", f.Kind, "partition", f.Where, "what", f.What, "do", f.Do)
	}
	c.Observe(bytes, found)
}
