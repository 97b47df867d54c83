package ingest

import (
	"context"
	"slices"

	"github.com/firnlog/firnlog/core/tracing"
)

// linksMax bounds how many requests the span of a flush names.
const linksMax = 128

// trace begins the span of a flush: below the first request in it whose span is recorded, with links to the others. Where none is
// recorded, nothing is.
func (g *Ingest) trace(f *flush) {
	if !g.Trace.On() {
		return
	}
	var links []tracing.Link
	for i := range f.items {
		if at := f.items[i].at; at != nil && len(links) < linksMax && !slices.Contains(links, at) {
			links = append(links, at)
		}
	}
	ctx, span := g.Trace.StartAmong(context.Background(), "flush", links)
	span.Number("firnlog.batches", int64(len(f.items)))
	span.Number("firnlog.bytes", f.size)
	f.span, f.at = span, g.Trace.Here(ctx)
}

// under gives ctx with the span of a flush.
func (g *Ingest) under(ctx context.Context, f *flush) context.Context {
	return g.Trace.Under(ctx, f.at)
}

// traceCommit begins the span of a part of a commit, which may be one of several flushes.
func (g *Ingest) traceCommit(ctx context.Context, name string, s *sending) (context.Context, tracing.Span) {
	if !g.Trace.On() {
		return ctx, tracing.Span{}
	}
	var links []tracing.Link
	for _, f := range s.flushes {
		if f.at != nil {
			links = append(links, f.at)
		}
	}
	ctx, span := g.Trace.StartAmong(ctx, name, links)
	span.Text("firnlog.commit", s.id.String())
	return ctx, span
}
