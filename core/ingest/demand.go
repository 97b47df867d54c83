package ingest

import (
	"context"
	"fmt"
)

// On demand: a process that is frozen between requests has no goroutine that gathers, sends and learns. What was added stays in
// the batcher until somebody waits for an outcome; who does so takes everything that is there through seal, put, commit and
// learn, in its own goroutine. So all batches that were added before the first one is waited for are one segment and one commit
// (where these may hold them), and nothing is on its way once nobody waits.
//
// The steps are those of Run, with the same guards and the same answers to what remains unknown.

// Flush drives all that was added to its outcome, or until ctx or the time of FlushBefore is over: what is then without one is
// answered as ErrUnknown where its commit was sent, else as ErrNotAppended.
func (g *Ingest) Flush(ctx context.Context) {
	ctx, cancel := context.WithDeadline(ctx, g.FlushBefore())
	defer cancel()
	select {
	case g.driving <- struct{}{}:
		defer func() { <-g.driving }()
	case <-ctx.Done():
		return
	}
	for {
		g.mu.Lock()
		_, _, any := g.mu.batcher.Due()
		g.mu.Unlock()
		if !any {
			return
		}
		g.flushOne(ctx)
	}
}

func (g *Ingest) flushOne(ctx context.Context) {
	f := g.take()
	if f.err == nil {
		f.err = ctx.Err()
	}
	if f.err == nil {
		f.err = g.name(f)
	}
	g.upload(ctx, f)
	g.leaveOut(f)
	switch {
	case f.err != nil:
		g.Log.Error("segment not stored; its producers are told to try again", "error", f.err)
		g.fail(f, fmt.Errorf("%w: %w", ErrNotAppended, f.err))
	case len(f.runs) > 0:
		if sent := g.send(ctx, newSending(g, []*flush{f})); sent != nil {
			g.learn(ctx, sent)
		}
	}
}

// Drop answers what was added and never waited for: nothing of it was sent.
func (g *Ingest) Drop() {
	for {
		g.mu.Lock()
		items := g.mu.batcher.Take()
		g.mu.Unlock()
		if len(items) == 0 {
			return
		}
		g.fail(&flush{items: items}, ErrNotAppended)
	}
}
