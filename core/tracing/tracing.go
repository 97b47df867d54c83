// Package tracing is what a request says of itself on its way: spans, from the client's request to PUT, commit and answer.
//
// The zero Trace is off: nothing is recorded, and nothing is allocated. So that functions, which do not export spans, stay small,
// this package knows no library; core/tracing/otlp is what records and sends.
//
// Owns: how spans hang together. Does not own: what is done with them, nor which are sampled.
package tracing

import "context"

// Kind says on which side of a connection a span stands.
type Kind int

// The kinds.
const (
	Internal Kind = iota
	Server        // answers a request
	Client        // sends one
)

// Tracer records spans; *otlp.Tracer is one.
type Tracer interface {
	// Begin starts a span below that of ctx. A link names a span that it has to do with, beside its parent.
	Begin(ctx context.Context, kind Kind, name string, links []Link) (context.Context, Work)
	// Here gives the span of ctx; nil: there is none, or it is not recorded.
	Here(ctx context.Context) Link
	// Under gives ctx with another span; what ends ctx stays.
	Under(ctx context.Context, at Link) context.Context
	// Join gives ctx with a span of another process, as the headers of W3C Trace Context name it.
	Join(ctx context.Context, traceparent, tracestate string) context.Context
}

// Link is a span by name. It is the Tracer's own, and two can be compared.
type Link any

// Work is a span that has begun.
type Work interface {
	Name(name string)
	Text(key, value string)
	Number(key string, value int64)
	// Fail says that it went wrong.
	Fail(message string)
	End()
}

// Trace is where spans go; the zero one is off.
type Trace struct{ tracer Tracer }

// New makes a Trace; nil: it is off.
func New(t Tracer) Trace { return Trace{t} }

// On says that spans may be recorded.
func (t Trace) On() bool { return t.tracer != nil }

// Start begins a span below that of ctx.
func (t Trace) Start(ctx context.Context, kind Kind, name string) (context.Context, Span) {
	if t.tracer == nil {
		return ctx, Span{}
	}
	ctx, work := t.tracer.Begin(ctx, kind, name, nil)
	return ctx, Span{work}
}

// StartAmong begins a span that has to do with several others: it stands below the first, and links to the rest. Without any it is none.
func (t Trace) StartAmong(ctx context.Context, name string, others []Link) (context.Context, Span) {
	if t.tracer == nil || len(others) == 0 {
		return ctx, Span{}
	}
	ctx, work := t.tracer.Begin(t.tracer.Under(ctx, others[0]), Internal, name, others[1:])
	return ctx, Span{work}
}

// Here gives the span of ctx; nil: there is none, or it is not recorded.
func (t Trace) Here(ctx context.Context) Link {
	if t.tracer == nil {
		return nil
	}
	return t.tracer.Here(ctx)
}

// Under gives ctx with the span at; nil: ctx as it is.
func (t Trace) Under(ctx context.Context, at Link) context.Context {
	if t.tracer == nil || at == nil {
		return ctx
	}
	return t.tracer.Under(ctx, at)
}

// Join gives ctx with a span of another process; "": ctx as it is.
func (t Trace) Join(ctx context.Context, traceparent, tracestate string) context.Context {
	if t.tracer == nil || traceparent == "" {
		return ctx
	}
	return t.tracer.Join(ctx, traceparent, tracestate)
}

// Span is a piece of work. The zero one is none: its methods do nothing.
type Span struct{ work Work }

// On says that something is recorded.
func (s Span) On() bool { return s.work != nil }

// Name gives it another name.
func (s Span) Name(name string) {
	if s.work != nil {
		s.work.Name(name)
	}
}

// Text adds an attribute. No names of topics, keys or values: they are the clients'.
func (s Span) Text(key, value string) {
	if s.work != nil {
		s.work.Text(key, value)
	}
}

// Number adds an attribute.
func (s Span) Number(key string, value int64) {
	if s.work != nil {
		s.work.Number(key, value)
	}
}

// Fail notes an error; nil: none.
func (s Span) Fail(err error) {
	if s.work != nil && err != nil {
		s.work.Fail(err.Error())
	}
}

// End ends it.
func (s Span) End() {
	if s.work != nil {
		s.work.End()
	}
}
