package fetch

import (
	"errors"
	"fmt"

	"github.com/firnlog/firnlog/core/cache"
	"github.com/firnlog/firnlog/core/manifest"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/segment"
	"github.com/firnlog/firnlog/objectstore"
)

// assemble makes the answers in the order of the request. The first partition that has data gives
// at least one whole batch, whatever the limits (KIP-74).
func (f *Fetcher) assemble(plans []plan, r Request, final bool) (results []Result, enough bool) {
	results = make([]Result, len(plans))
	total, limit, cut := 0, r.BytesMax, false
	if want := readable(plans, r.BytesMax); r.Reserve != nil && want > 0 {
		granted := r.Reserve(want)
		if cut = granted < want; cut {
			limit = granted
		}
	}
	chosen := make([]choice, len(plans))
	for i := range plans {
		p := &plans[i]
		out := Result{TopicPartition: p.TopicPartition, HighWatermark: p.bounds.HighWatermark, LastStable: p.bounds.LastStable, LogStart: p.bounds.LogStart}
		if p.doubt != nil {
			out.Err = p.doubt
		} else {
			out.Err = f.choose(p, min(p.BytesMax, limit-total), total == 0, &chosen[i])
			total += chosen[i].size
			for _, a := range p.aborted {
				if a.First < chosen[i].end {
					out.Aborted = append(out.Aborted, Aborted{a.Producer, a.First})
				}
			}
		}
		enough = enough || out.Err != nil
		results[i] = out
	}
	hand(chosen, r, total, results)
	return results, enough || final || total > 0 && (cut || total >= r.BytesMin)
}

// readable is how many bytes could be read, at most limit.
func readable(plans []plan, limit int) int {
	total := 0
	for i := range plans {
		total += min(max(plans[i].BytesMax, 0), plans[i].loaded())
	}
	return min(total, limit)
}

// loaded is how many bytes the pieces have that are there.
func (p *plan) loaded() int {
	total := int64(0)
	for k := range p.objects {
		total += p.pieces[k].Length
	}
	return int(total)
}

// choice is what answers one partition: whole batches, in order.
type choice struct {
	parts []part
	size  int
	end   record.Offset // after the last of them
}

// part is a batch, or several that follow each other and carry their offsets already.
type part struct {
	bytes   []byte // of object: never to be changed
	object  *cache.Object
	stamped bool
	base    record.Offset // of the first
}

// choose takes whole batches from the partition's offset on. An error counts
// only when nothing could be read before it.
func (f *Fetcher) choose(p *plan, limit int, atLeastOne bool, out *choice) error {
	full := false
	for k := range p.pieces {
		at := 0 // in the piece
		err := eachBatch(p.objects[k], &p.pieces[k], func(base record.Offset, h record.Header, b []byte) bool {
			from := at
			at += len(b)
			if base+record.Offset(h.LastOffsetDelta) < p.Offset {
				return true
			}
			if base >= p.end { // a span goes on where an open transaction begins
				full = true
				return false
			}
			if full = out.size+len(b) > limit && (out.size > 0 || !atLeastOne); full {
				return false
			}
			stamped := h.BaseOffset == base && h.LeaderEpoch == record.LeaderEpoch
			if n := len(out.parts); stamped && n > 0 && out.parts[n-1].precedes(&p.pieces[k], p.objects[k], from) {
				last := &out.parts[n-1]
				last.bytes = p.objects[k].Chunk()[from-len(last.bytes) : at : at]
			} else {
				out.parts = append(out.parts, part{b, p.objects[k], stamped, base})
			}
			out.size += len(b)
			out.end = base + record.Offset(h.LastOffsetDelta) + 1
			return true
		})
		if err != nil {
			f.Cache.Drop(p.pieces[k].cached)
			f.Log.Error("stored batches cannot be read", "partition", p.TopicPartition, "object", p.pieces[k].cached, "error", err)
			return onlyFirst(out, fmt.Errorf("%w: %w", ErrStorage, err))
		}
		if full {
			return nil
		}
	}
	if p.failed != nil {
		f.Log.Warn("object cannot be read", "partition", p.TopicPartition, "error", p.failed)
		return onlyFirst(out, classOf(p.failed))
	}
	return nil
}

// precedes says that what lies at from in a settled piece, which is an object of its own, goes on where this part ends.
func (t *part) precedes(p *piece, o *cache.Object, from int) bool {
	return t.stamped && p.Settled() && o != nil && t.object == o && o.Chunk() != nil && from >= len(t.bytes) && &o.Chunk()[from-len(t.bytes)] == &t.bytes[0]
}

func onlyFirst(out *choice, err error) error {
	if out.size > 0 {
		return nil
	}
	return err
}

func classOf(err error) error {
	for _, lost := range []error{objectstore.ErrNotFound, objectstore.ErrRange, manifest.ErrCorrupt, manifest.ErrVersion, segment.ErrCorrupt, segment.ErrVersion} {
		if errors.Is(err, lost) {
			return fmt.Errorf("%w: %w", ErrStorage, err)
		}
	}
	return fmt.Errorf("%w: %w", ErrUnavailable, err)
}
