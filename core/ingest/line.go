package ingest

import (
	"context"
	"slices"
	"sync"

	"github.com/firnlog/firnlog/core/ledger"
)

// line holds segments in sealing order until their commit is sent. A segment leaves
// it only once its put is over: who looks at it meanwhile changes nothing, so how
// far sealing may run ahead does not depend on which goroutine was faster.
//
// Rejected: a channel. The committer must take a segment out to see whether it is put
// already, which makes room for one more, or not, by chance.
type line struct {
	mu struct {
		sync.Mutex
		flushes []*flush
	}
	max  int
	news chan struct{} // holds one: something came
	room chan struct{} // holds one: something left
}

func newLine(most int) *line {
	return &line{max: most, news: make(chan struct{}, 1), room: make(chan struct{}, 1)}
}

// push waits for room. There is one pusher.
func (l *line) push(ctx context.Context, f *flush) error {
	for {
		l.mu.Lock()
		fits := len(l.mu.flushes) < l.max
		if fits {
			l.mu.flushes = append(l.mu.flushes, f)
		}
		l.mu.Unlock()
		if fits {
			signal(l.news)
			return nil
		}
		select {
		case <-l.room:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// group waits until the first segment's put is over and takes it out: alone if it
// failed, else with those behind it that are put already, while one record may hold them.
func (l *line) group(ctx context.Context) ([]*flush, error) {
	first, err := l.first(ctx)
	if err != nil {
		return nil, err
	}
	select {
	case <-first.put:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	n, size := 1, len(first.items)*ledger.EntryBytesMax
	for first.err == nil && n < len(l.mu.flushes) {
		f := l.mu.flushes[n]
		if size += len(f.items) * ledger.EntryBytesMax; !f.isPut() || size > ledger.CommitBytesMax {
			break
		}
		n++
	}
	out := slices.Clone(l.mu.flushes[:n])
	l.mu.flushes = slices.Delete(l.mu.flushes, 0, n)
	signal(l.room)
	return out, nil
}

// first waits for a segment and leaves it where it is.
func (l *line) first(ctx context.Context) (*flush, error) {
	for {
		l.mu.Lock()
		var f *flush
		if len(l.mu.flushes) > 0 {
			f = l.mu.flushes[0]
		}
		l.mu.Unlock()
		if f != nil {
			return f, nil
		}
		select {
		case <-l.news:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// drain takes everything out.
func (l *line) drain() []*flush {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := l.mu.flushes
	l.mu.flushes = nil
	return out
}

// isPut says that the segment is stored.
func (f *flush) isPut() bool {
	select {
	case <-f.put:
		return f.err == nil
	default:
		return false
	}
}

func signal(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}
