package settle

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/objectstore"
)

// loader reads the spans of a job in their order, some pieces ahead.
//
// Within an object partitions are sorted as in the job, so neighbouring spans are read with one GET and each
// object from its beginning to its end. What is in memory is what was read ahead, and what the
// output still holds.
type loader struct {
	store  objectstore.Store
	ahead  int64
	queue  chan *piece // asked for, in order
	spans  map[*ledger.Span][]part
	pieces []*piece // in the order in which they are needed
	next   int      // the first that was not asked for
	loaded int64    // bytes asked for and not begun to be used
	gets   int
	bytes  int64
	group  sync.WaitGroup
}

// piece is what one GET reads.
type piece struct {
	key    string
	from   int64
	length int64
	first  int // place in the job of the first span that needs it
	uses   int
	asked  bool
	begun  bool
	ready  chan struct{} // closed when body or err is there
	body   []byte
	err    error
}

// part is where some of a span is in a piece.
type part struct {
	piece        *piece
	from, length int64
}

// gapMax is how many bytes between two spans are read and thrown away rather than asked for with two GETs.
const gapMax = 64 << 10

// wanted is a span of an object, with its place in the job.
type wanted struct {
	span  *ledger.Span
	place int
}

func newLoader(s *Settings, j *job) *loader {
	l := &loader{store: s.Store, ahead: s.AheadBytes, spans: map[*ledger.Span][]part{}}
	objects, place := map[string][]wanted{}, 0
	for _, w := range j.works {
		for _, r := range w.runs {
			for i := range r.spans {
				if s := &r.spans[i]; s.Inline == nil {
					key := s.Key(w.tp)
					objects[key] = append(objects[key], wanted{s, place})
					place++
				}
			}
		}
	}
	for key, spans := range objects {
		slices.SortFunc(spans, func(a, b wanted) int { return cmp.Compare(a.span.Position, b.span.Position) })
		l.cut(key, spans, s.PieceBytes)
	}
	slices.SortFunc(l.pieces, func(a, b *piece) int {
		return cmp.Or(cmp.Compare(a.first, b.first), cmp.Compare(a.from, b.from))
	})
	l.queue = make(chan *piece, len(l.pieces))
	return l
}

// start begins reading what is asked for, so many GETs at a time, until ctx ends.
func (l *loader) start(ctx context.Context, loads int) {
	for range min(max(loads, 1), len(l.pieces)) {
		l.group.Go(func() {
			for {
				select {
				case p := <-l.queue:
					if ctx.Err() != nil {
						return // select takes any case that is ready
					}
					l.get(ctx, p)
				case <-ctx.Done():
					return
				}
			}
		})
	}
}

// cut makes the pieces of one object: whole neighbouring spans together, a long one in several.
func (l *loader) cut(key string, spans []wanted, most int64) {
	var last *piece
	for _, w := range spans {
		s := w.span
		end := s.Position + s.Length
		if last != nil && s.Position-(last.from+last.length) <= gapMax && s.Position >= last.from && end-last.from <= most {
			last.length = max(last.length, end-last.from)
			last.first = min(last.first, w.place)
			l.use(s, last, s.Position-last.from, s.Length)
			continue
		}
		for at := s.Position; at < end; at += most {
			last = &piece{key: key, from: at, length: min(most, end-at), first: w.place, ready: make(chan struct{})}
			l.pieces = append(l.pieces, last)
			l.use(s, last, 0, last.length)
		}
	}
}

func (l *loader) use(s *ledger.Span, p *piece, from, length int64) {
	p.uses++
	l.spans[s] = append(l.spans[s], part{p, from, length})
}

// want asks for pieces until p is among them and enough is on its way.
func (l *loader) want(p *piece) {
	if !p.begun {
		p.begun = true
		for ; l.next < len(l.pieces) && (!p.asked || l.loaded < l.ahead); l.next++ {
			q := l.pieces[l.next]
			q.asked = true
			l.loaded += q.length
			l.gets++
			l.bytes += q.length
			l.queue <- q // there is room for all
		}
		l.loaded -= p.length
	}
}

func (l *loader) get(ctx context.Context, p *piece) {
	defer close(p.ready)
	p.body, p.err = l.store.Get(ctx, p.key, p.from, p.length)
	if p.err == nil && int64(len(p.body)) != p.length {
		p.body, p.err = nil, fmt.Errorf("read %s: %d bytes at %d, want %d: %w", p.key, len(p.body), p.from, p.length, objectstore.ErrRange)
	}
}

// read gives a span part by part; the bytes may be changed, and are the caller's.
func (l *loader) read(ctx context.Context, s *ledger.Span, fn func([]byte) error) error {
	for _, part := range l.spans[s] {
		p := part.piece
		l.want(p)
		select {
		case <-p.ready:
		case <-ctx.Done():
			return ctx.Err()
		}
		if p.err != nil {
			return p.err
		}
		body := p.body[part.from : part.from+part.length : part.from+part.length]
		if p.uses--; p.uses == 0 {
			p.body = nil // the output holds what it needs of it
		}
		if err := fn(body); err != nil {
			return err
		}
	}
	return nil
}

// batches gives the batches of a span one after the other, also those that lie in two pieces.
func (l *loader) batches(ctx context.Context, s *ledger.Span, fn func([]byte) error) error {
	var rest []byte // the beginning of a batch
	err := l.read(ctx, s, func(b []byte) error {
		for len(b) > 0 {
			var batch []byte
			var err error
			if batch, rest, b, err = next(rest, b); err != nil {
				return err
			}
			if batch != nil {
				if err := fn(batch); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err == nil && len(rest) > 0 {
		err = fmt.Errorf("%d bytes of a batch at the end of a span: %w", len(rest), record.ErrCorrupt)
	}
	return err
}

// next takes a batch off rest and b; no batch: all of them is its beginning.
func next(rest, b []byte) (batch, begun, after []byte, err error) {
	if n := record.HeaderSize - len(rest); len(rest) > 0 && n > 0 { // the header itself is divided
		n = min(n, len(b))
		rest, b = append(slices.Clip(rest), b[:n]...), b[n:]
	}
	if len(rest) > 0 && len(rest) < record.HeaderSize || len(rest) == 0 && len(b) < record.HeaderSize {
		return nil, append(rest, b...), nil, nil
	}
	head := b
	if len(rest) > 0 {
		head = rest
	}
	h, err := record.ReadHeader(head)
	if err != nil {
		return nil, nil, nil, err
	}
	if n := int(h.Size) - len(rest); n <= len(b) && n >= 0 {
		if len(rest) == 0 {
			return b[:n:n], nil, b[n:], nil
		}
		return append(rest, b[:n]...), nil, b[n:], nil
	}
	return nil, append(slices.Grow(rest, min(int(h.Size), record.DecompressedBytesMax)), b...), nil, nil
}
