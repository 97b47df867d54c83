package fork

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/record"
)

// end is where a partition of the fork ends, and what is open there.
type end struct {
	at   record.Offset
	open []open // by first offset
}

// open is a transaction that has data before the end and no marker there.
type open struct {
	producer record.ProducerID
	epoch    record.Epoch
	first    record.Offset
}

func sorted(all []open) []open {
	slices.SortFunc(all, func(a, b open) int {
		return cmp.Or(cmp.Compare(a.first, b.first), cmp.Compare(a.producer, b.producer))
	})
	return all
}

// heads makes the values of the fork's heads; nil where the source has none, since nothing was ever written there.
func (a *attempt) heads(ctx context.Context, now *present) (values [][]byte, out Result, err error) {
	values = make([][]byte, len(now.heads))
	for p, item := range now.heads {
		made := Partition{Partition: int32(p)}
		if item.Create != 0 {
			h, err := ledger.DecodeHead(item.Value)
			if err != nil {
				return nil, out, fmt.Errorf("%s: %w", item.Key, err)
			}
			s := &source{attempt: a, tp: record.TopicPartition{Topic: a.source.ID, Partition: int32(p)}, head: h}
			e, err := s.end(ctx)
			if err != nil {
				return nil, out, fmt.Errorf("topic %q, partition %d: %w", a.From, p, err)
			}
			forked, err := s.fork(ctx, e)
			if err != nil {
				return nil, out, fmt.Errorf("topic %q, partition %d: %w", a.From, p, err)
			}
			values[p] = forked.Encode()
			made.Start, made.End, made.Aborted = forked.LogStart, forked.Next, int(forked.Next-max(e.at, forked.LogStart))
			out.count(forked)
		}
		out.Partitions = append(out.Partitions, made)
	}
	out.Gets, out.BytesRead = a.gets, a.bytes
	return values, out, nil
}

func (r *Result) count(h *ledger.Head) {
	if m := h.Manifest; m != nil {
		r.Objects, r.Bytes = r.Objects+m.Objects, r.Bytes+m.Bytes
	}
	for i := range h.Spans {
		if s := &h.Spans[i]; s.Inline == nil {
			r.Objects, r.Bytes = r.Objects+1, r.Bytes+s.Length
		}
	}
}

// source is one partition of it.
type source struct {
	*attempt
	tp   record.TopicPartition
	head *ledger.Head
}

// end is the end of the log, or of what is before the time that was asked for.
func (s *source) end(ctx context.Context) (end, error) {
	if !s.At.IsZero() {
		if e, known := s.ends[s.tp.Partition]; known {
			return e, nil
		}
		at, found, err := s.firstSince(ctx, s.At.UnixMilli())
		if err != nil {
			return end{}, err
		}
		if found {
			e := end{at: at}
			if e.open, err = s.openAt(ctx, at); err == nil {
				s.ends[s.tp.Partition] = e
			}
			return e, err
		}
	}
	e := end{at: s.head.Next}
	for i := range s.head.Producers {
		if p := &s.head.Producers[i]; p.OpenSerial > 0 {
			e.open = append(e.open, open{p.ID, p.Epoch, p.OpenFirst})
		}
	}
	e.open = sorted(e.open)
	return e, nil
}

// fork makes the head that the fork's partition begins with: the source's references up to the end. What is open there is
// aborted by markers of its own, which take the next offsets: without them a consumer could not tell the end of what was aborted from
// what the same producer writes to the fork later.
func (s *source) fork(ctx context.Context, e end) (*ledger.Head, error) {
	out := &ledger.Head{AsOf: s.head.AsOf, LogStart: s.head.LogStart, Next: max(e.at, s.head.LogStart)}
	if e.at <= s.head.LogStart {
		return out, nil
	}
	var err error
	if out.Manifest, err = s.manifest(ctx, e.at); err != nil {
		return nil, err
	}
	for i := range s.head.Spans {
		span := s.head.Spans[i]
		if span.Base >= e.at {
			break
		}
		if span.End > e.at {
			if span, err = s.divide(ctx, span, e.at); err != nil {
				return nil, err
			}
		} else if span.Place > ledger.InShared {
			span = s.owned(span)
		}
		out.Spans = append(out.Spans, span)
	}
	for _, a := range s.head.Aborted {
		if a.Last < e.at {
			out.Aborted = append(out.Aborted, a)
		}
	}
	ms := s.Now().UnixMilli()
	for _, o := range e.open {
		marker := record.Marker{Producer: o.producer, Epoch: o.epoch, Timestamp: ms}
		out.Spans = append(out.Spans, ledger.Span{Length: record.MarkerBytes, Base: out.Next, End: out.Next + 1, MaxTimestamp: ms, Inline: &marker})
		out.Aborted = append(out.Aborted, ledger.Aborted{Producer: o.producer, First: o.first, Last: out.Next})
		out.Next++
	}
	out.Truncate(out.LogStart)
	return out, nil
}

// owned says in whose folder the object of a span lies.
func (s *source) owned(span ledger.Span) ledger.Span {
	if span.Owner == (record.TopicPartition{}) {
		span.Owner = s.tp
	}
	return span
}

// divide gives the part of a span before an offset between two of its batches. In a segment offsets are counted, so that the length must
// be exact; settled bytes say their offsets, and a reader stops at the end of a span that has an owner.
func (s *source) divide(ctx context.Context, span ledger.Span, at record.Offset) (ledger.Span, error) {
	if span.Settled() {
		span = s.owned(span)
		span.End = at
		return span, nil
	}
	length, newest := int64(0), int64(0)
	err := s.batches(ctx, &span, func(base record.Offset, h record.Header) bool {
		if base >= at {
			return false
		}
		length += int64(h.Size)
		newest = max(newest, h.MaxTimestamp)
		return true
	})
	span.Length, span.End, span.MaxTimestamp = length, at, newest
	return span, err
}

// manifest is what the fork shares of the source's: all of it, or what lies before an offset. It is the same object.
func (s *source) manifest(ctx context.Context, at record.Offset) (*ledger.Manifest, error) {
	m := s.head.Manifest
	if m == nil || m.Base >= at {
		return nil, nil
	}
	out := *m
	if out.Owner == (record.TopicPartition{}) {
		out.Owner = s.tp
	}
	if m.End <= at {
		return &out, nil
	}
	out.End, out.Bytes, out.Objects, out.MaxTimestamp = at, 0, 0, 0
	shelf, err := s.Archive.Open(ctx, s.tp, &out)
	if err != nil {
		return nil, err
	}
	add := func(bytes, objects, stamp int64) {
		if out.Objects == 0 || stamp > out.MaxTimestamp {
			out.MaxTimestamp = stamp
		}
		out.Bytes, out.Objects = out.Bytes+bytes, out.Objects+objects
	}
	from := record.Offset(-1)
	for _, ref := range shelf.Root().Pages {
		if ref.End > at {
			break
		}
		add(ref.Bytes, ref.Objects, ref.MaxTimestamp)
		from = ref.End
	}
	for e, err := range shelf.Entries(ctx, from) {
		if err != nil {
			return nil, err
		}
		add(e.Length, 1, e.MaxTimestamp)
	}
	return &out, nil
}
