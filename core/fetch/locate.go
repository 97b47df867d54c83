package fetch

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/firnlog/firnlog/core/cache"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/manifest"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/segment"
)

// locate finds the pieces of all plans: those of the head's spans are known, those of long settled spans and of the
// manifest take reading. Partitions that need it are read side by side, a few of them a fetch; the others answer
// empty this time, as those beyond objectsMax do. As in load, who has what it asked for does not wait long for them, and what was
// begun goes on into the archive's memory.
func (f *Fetcher) locate(ctx context.Context, plans []plan) {
	waiting, enough := context.WithCancel(ctx)
	defer enough()
	var served atomic.Bool
	timer := time.AfterFunc(patience, func() {
		if served.Load() {
			enough()
		}
	})
	defer timer.Stop()
	var group errgroup.Group
	group.SetLimit(max(f.LoadsMax, 1))
	var cold []*plan
	for i := range plans {
		p := &plans[i]
		switch {
		case p.doubt != nil:
		case f.remembers(p):
			p.failed = f.locateOne(ctx, p)
			served.Store(served.Load() || len(p.pieces) > 0)
		case len(cold) < objectsMax:
			cold = append(cold, p)
		}
	}
	for _, p := range cold {
		group.Go(func() error {
			if p.failed = f.locateOne(waiting, p); errors.Is(p.failed, context.Canceled) && ctx.Err() == nil {
				p.failed = nil
			}
			return nil
		})
	}
	_ = group.Wait() // each failure is its partition's
}

// remembers says whether the plan's pieces are found without a GET.
func (f *Fetcher) remembers(p *plan) bool {
	if p.manifest != nil {
		return f.Archive.Warm(p.TopicPartition, p.manifest, p.from)
	}
	for i := range p.spans {
		if s := &p.spans[i]; s.Settled() && s.Length > spanBytesMax && !f.Archive.Known(s.Key(p.TopicPartition)) {
			return false
		}
	}
	return true
}

// locateOne finds a plan's pieces in the order of offsets, until they surely hold what was asked for. With an error those
// before it are good.
func (f *Fetcher) locateOne(ctx context.Context, p *plan) error {
	left := int64(max(p.BytesMax, 1))
	if p.manifest != nil {
		enough, err := f.locateSettled(ctx, p, &left)
		if enough || err != nil {
			return err
		}
	}
	for i := range p.spans {
		blocks, err := f.blocks(ctx, p.TopicPartition, &p.spans[i])
		if err != nil {
			return err
		}
		more := blocksOf(&p.spans[i], blocks, func(s *ledger.Span) bool {
			large := s.Settled() && s.Length >= segment.BlockBytes/4
			return f.add(p, s, i, &left) && (!large || p.sequential || s.End <= p.from)
		})
		if !more {
			break
		}
	}
	return nil
}

// locateSettled finds pieces in the manifest. Who comes from elsewhere gets one, so that a seek is root, page and block.
func (f *Fetcher) locateSettled(ctx context.Context, p *plan, left *int64) (enough bool, err error) {
	shelf, err := f.Archive.Open(ctx, p.TopicPartition, p.manifest)
	if err != nil {
		return false, err
	}
	var entries []manifest.Entry
	for e, err := range shelf.Entries(ctx, p.from) {
		if err != nil {
			return len(p.pieces) > 0, err
		}
		if e.Base >= p.end {
			enough = true
			break
		}
		entries = append(entries, e)
		enough = !blocksOf(&e.Span, e.Blocks, func(s *ledger.Span) bool {
			return f.add(p, s, -1, left) && (p.sequential || len(p.pieces) == 0)
		})
		if enough {
			break
		}
	}
	if p.committed {
		p.aborted = manifest.Merge(append(p.aborted, shelf.Aborted(entries, p.from, p.end)...))
	}
	return enough, nil
}

// add takes a span, or a block of one, into the plan; false when there is enough.
func (f *Fetcher) add(p *plan, s *ledger.Span, span int, left *int64) bool {
	if s.Base >= p.end {
		return false
	}
	if s.End <= p.from || s.Settled() && s.Length == 0 {
		return true
	}
	heat := cache.Cold
	if span >= 0 {
		heat = p.heat[span]
	}
	p.pieces = append(p.pieces, newPiece(p.TopicPartition, s, heat))
	*left -= p.promises(s)
	return *left > 0
}

// promises is about how many bytes a piece has from p.from on. Where offsets are counted nothing is promised of the first:
// the offset may be in its last batch.
func (p *plan) promises(s *ledger.Span) int64 {
	switch {
	case s.Base >= p.from && (s.Settled() || len(p.pieces) > 1):
		return s.Length
	case !s.Settled():
		return 0
	}
	return behind(s, p.from)
}

// passed finds plans whose pieces were all loaded and hold no batch for their offset: log compaction left none there. It
// notes in until where they go on, and says whether there were any.
func passed(plans []plan, until []record.Offset) (any bool) {
	for i := range plans {
		p := &plans[i]
		n := len(p.pieces)
		if n == 0 || p.failed != nil || p.doubt != nil || p.pieces[n-1].End >= p.end || !p.pieces[n-1].Settled() || p.holdsBatch() {
			continue
		}
		until[i], any = p.pieces[n-1].End, true
	}
	return any
}

func (p *plan) holdsBatch() (found bool) {
	for k := range p.pieces {
		err := eachBatch(p.objects[k], &p.pieces[k], func(base record.Offset, h record.Header, _ []byte) bool {
			found = base+record.Offset(h.LastOffsetDelta) >= p.Offset
			return !found
		})
		if found || err != nil {
			return true // the error is for the answer to say
		}
	}
	return false
}
