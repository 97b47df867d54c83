package settle

import (
	"context"
	"fmt"

	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/segment"
)

// output gathers runs into one object after the other.
type output struct {
	place   ledger.Place
	tp      record.TopicPartition // of an object of one partition
	target  int64                 // an object is put when it has so many bytes
	builder *segment.SettledBuilder
	placed  []placed
}

// placed is a run of the object that is being built.
type placed struct {
	run     *run
	tier    uint8
	offsets int64 // of its batches
}

// stretch is batches that will be one run of an object.
type stretch struct {
	base    record.Offset
	batches [][]byte
	bytes   int64
	offsets int64
}

func (o *output) size() int64 {
	if o.builder == nil {
		return 0
	}
	return o.builder.Size()
}

// add makes a stretch, up to end, a run of the object.
func (o *output) add(tp record.TopicPartition, r *run, tier uint8, s *stretch, end record.Offset) error {
	if o.builder == nil {
		o.builder = segment.NewSettled()
	}
	if err := o.builder.Begin(tp, s.base); err != nil {
		return err
	}
	for _, b := range s.batches {
		if err := o.builder.Add(b); err != nil {
			return err
		}
	}
	if err := o.builder.End(end); err != nil {
		return err
	}
	o.placed = append(o.placed, placed{r, tier, s.offsets})
	return nil
}

// put writes the object, checked once more, and tells each run where it is. bytes is 0 when there was nothing.
func (s *Settler) put(ctx context.Context, o *output) (bytes int64, err error) {
	if o.builder == nil {
		return 0, nil
	}
	sealed, err := o.builder.Seal()
	if err != nil {
		return 0, err
	}
	runs := o.placed
	o.builder, o.placed = nil, nil
	if err := verify(&sealed, runs); err != nil {
		return 0, err
	}
	id, err := s.Stream.NewID() // late, so that the floor does not pass it before it is referred to
	if err != nil {
		return 0, err
	}
	if err := s.Store.Put(ctx, ledger.ObjectKey(o.place, o.tp, id), sealed.Chunks...); err != nil {
		return 0, err
	}
	for i := range sealed.Runs {
		x := &sealed.Runs[i]
		runs[i].run.into = append(runs[i].run.into, ledger.Span{
			Segment: id, Place: o.place, Tier: runs[i].tier, Position: x.Position, Length: x.Length, Base: x.Base, End: x.End, MaxTimestamp: x.MaxTimestamp,
		})
	}
	return sealed.Size, nil
}

// verify walks the batches of an object as it is about to be put: each whole, in order, within its run, and as
// many offsets as were read.
func verify(sealed *segment.SettledSealed, runs []placed) error {
	if len(sealed.Runs) != len(runs) {
		return fmt.Errorf("verify output: %d runs, want %d: %w", len(sealed.Runs), len(runs), segment.ErrCorrupt)
	}
	chunks := sealed.Chunks[1 : len(sealed.Chunks)-1]
	for i := range sealed.Runs {
		run := &sealed.Runs[i]
		next, offsets, bytes := run.Base, int64(0), int64(0)
		for ; bytes < run.Length && len(chunks) > 0; chunks = chunks[1:] {
			h, err := record.Check(chunks[0])
			if err != nil {
				return fmt.Errorf("verify output of %v/%d: %w", run.Topic, run.Partition, err)
			}
			if h.BaseOffset < next || h.LastOffset() >= run.End {
				return fmt.Errorf("verify output of %v/%d: offsets %d to %d between %d and %d: %w", run.Topic, run.Partition, h.BaseOffset, h.LastOffset(), next, run.End, segment.ErrCorrupt)
			}
			next = h.LastOffset() + 1
			offsets += int64(h.LastOffsetDelta) + 1
			bytes += int64(h.Size)
		}
		if bytes != run.Length || offsets != runs[i].offsets {
			return fmt.Errorf("verify output of %v/%d: %d bytes and %d offsets, want %d and %d: %w", run.Topic, run.Partition, bytes, offsets, run.Length, runs[i].offsets, segment.ErrCorrupt)
		}
	}
	return nil
}
