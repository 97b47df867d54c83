package fetch

import (
	"errors"
	"fmt"

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
	for i := range plans {
		p := &plans[i]
		out := Result{TopicPartition: p.TopicPartition, HighWatermark: p.bounds.HighWatermark, LastStable: p.bounds.LastStable, LogStart: p.bounds.LogStart}
		if p.doubt != nil {
			out.Err = p.doubt
		} else {
			var end record.Offset
			out.Batches, end, out.Err = f.batches(p, min(p.BytesMax, limit-total), total == 0)
			if len(out.Batches) == 0 {
				out.Batches = nil
			}
			total += len(out.Batches)
			for _, a := range p.aborted {
				if a.First < end {
					out.Aborted = append(out.Aborted, Aborted{a.Producer, a.First})
				}
			}
		}
		enough = enough || out.Err != nil
		results[i] = out
	}
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

// batches copies whole batches from the partition's offset on; end is the offset after them. An error counts
// only when nothing could be read before it.
func (f *Fetcher) batches(p *plan, limit int, atLeastOne bool) (out []byte, end record.Offset, err error) {
	out = make([]byte, 0, max(min(limit, p.loaded()), 0)) // growing would cost as much again
	full := false
	for k := range p.pieces {
		err := eachBatch(p.objects[k], &p.pieces[k], func(base record.Offset, h record.Header, b []byte) bool {
			if base+record.Offset(h.LastOffsetDelta) < p.Offset {
				return true
			}
			if base >= p.end { // a span goes on where an open transaction begins
				full = true
				return false
			}
			if full = len(out)+len(b) > limit && (len(out) > 0 || !atLeastOne); full {
				return false
			}
			at := len(out)
			out = append(out, b...)
			record.Stamp(out[at:], base)
			end = base + record.Offset(h.LastOffsetDelta) + 1
			return true
		})
		if err != nil {
			f.Cache.Drop(p.pieces[k].cached)
			f.Log.Error("stored batches cannot be read", "partition", p.TopicPartition, "object", p.pieces[k].cached, "error", err)
			return out, end, onlyFirst(out, fmt.Errorf("%w: %w", ErrStorage, err))
		}
		if full {
			return out, end, nil
		}
	}
	if p.failed != nil {
		f.Log.Warn("object cannot be read", "partition", p.TopicPartition, "error", p.failed)
		return out, end, onlyFirst(out, classOf(p.failed))
	}
	return out, end, nil
}

func onlyFirst(out []byte, err error) error {
	if len(out) > 0 {
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
