// Package otlp records spans with OpenTelemetry's SDK and sends them over OTLP, as the usual environment variables (OTEL_…) say.
//
// Owns: the library. Does not own: which spans there are (core/tracing and its users).
package otlp

import (
	"context"
	"fmt"
	"log/slog"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/firnlog/firnlog/core/tracing"
)

// Tracer is tracing.Tracer.
type Tracer struct {
	provider *sdktrace.TracerProvider
	tracer   trace.Tracer
}

// Wanted says whether the environment asks for spans: OTEL_TRACES_EXPORTER=otlp, or an endpoint. OTEL_SDK_DISABLED=true, or the exporter
// none, says no to all.
func Wanted(getenv func(string) string) (bool, error) {
	exporter := getenv("OTEL_TRACES_EXPORTER")
	switch {
	case getenv("OTEL_SDK_DISABLED") == "true", exporter == "none":
		return false, nil
	case exporter != "" && exporter != "otlp":
		return false, fmt.Errorf("OTEL_TRACES_EXPORTER=%s: want otlp or none", exporter)
	case exporter == "" && getenv("OTEL_EXPORTER_OTLP_ENDPOINT") == "" && getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") == "":
		return false, nil
	}
	for _, name := range []string{"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"} {
		if p := getenv(name); p != "" && p != "grpc" {
			return false, fmt.Errorf("%s=%s: spans are sent over grpc only (port 4317 of a collector)", name, p)
		}
	}
	return true, nil
}

// New makes a Tracer that sends to where the environment says. It waits for nobody: a collector that cannot be reached loses spans, and
// nothing else. The library reads its variables itself: OTEL_EXPORTER_OTLP_…, OTEL_TRACES_SAMPLER, OTEL_BSP_…, OTEL_RESOURCE_ATTRIBUTES.
func New(ctx context.Context, version string, log *slog.Logger) (*Tracer, error) {
	exporter, err := otlptracegrpc.New(ctx)
	if err != nil {
		return nil, fmt.Errorf("export spans: %w", err)
	}
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { log.Warn("spans are not exported", "error", err) })) // the library has no other way to say so
	about, err := resource.New(ctx, resource.WithAttributes(attribute.String("service.name", "firnlog"), attribute.String("service.version", version)),
		resource.WithHost(), resource.WithFromEnv())
	if err != nil {
		log.Warn("spans have not all attributes of this process", "error", err)
	}
	return with(sdktrace.WithBatcher(exporter), sdktrace.WithResource(about)), nil
}

// with makes a Tracer. The sampler is the environment's; by default all spans whose parent is sampled, or that have none.
func with(options ...sdktrace.TracerProviderOption) *Tracer {
	provider := sdktrace.NewTracerProvider(options...)
	return &Tracer{provider, provider.Tracer("github.com/firnlog/firnlog")}
}

// Close sends what is left.
func (t *Tracer) Close(ctx context.Context) error {
	if err := t.provider.Shutdown(ctx); err != nil {
		return fmt.Errorf("send the last spans: %w", err)
	}
	return nil
}

// Begin is tracing.Tracer's.
func (t *Tracer) Begin(ctx context.Context, kind tracing.Kind, name string, links []tracing.Link) (context.Context, tracing.Work) {
	options := []trace.SpanStartOption{trace.WithSpanKind(kindOf(kind))}
	for _, l := range links {
		if at, ok := l.(place); ok {
			options = append(options, trace.WithLinks(trace.Link{SpanContext: at.context()}))
		}
	}
	ctx, span := t.tracer.Start(ctx, name, options...)
	return ctx, work{span}
}

func kindOf(k tracing.Kind) trace.SpanKind {
	switch k {
	case tracing.Server:
		return trace.SpanKindServer
	case tracing.Client:
		return trace.SpanKindClient
	case tracing.Internal:
	}
	return trace.SpanKindInternal
}

// place is a sampled span. It can be compared, which the library's name of one cannot.
type place struct {
	trace trace.TraceID
	span  trace.SpanID
}

func (p place) context() trace.SpanContext {
	return trace.NewSpanContext(trace.SpanContextConfig{TraceID: p.trace, SpanID: p.span, TraceFlags: trace.FlagsSampled})
}

// Here is tracing.Tracer's.
func (t *Tracer) Here(ctx context.Context) tracing.Link {
	at := trace.SpanContextFromContext(ctx)
	if !at.IsValid() || !at.IsSampled() {
		return nil
	}
	return place{at.TraceID(), at.SpanID()}
}

// Under is tracing.Tracer's.
func (t *Tracer) Under(ctx context.Context, at tracing.Link) context.Context {
	if span, ok := at.(place); ok {
		return trace.ContextWithSpanContext(ctx, span.context())
	}
	return ctx
}

// Join is tracing.Tracer's.
func (t *Tracer) Join(ctx context.Context, traceparent, tracestate string) context.Context {
	return propagation.TraceContext{}.Extract(ctx, propagation.MapCarrier{"traceparent": traceparent, "tracestate": tracestate})
}

type work struct{ span trace.Span }

func (w work) Name(name string)               { w.span.SetName(name) }
func (w work) Text(key, value string)         { w.span.SetAttributes(attribute.String(key, value)) }
func (w work) Number(key string, value int64) { w.span.SetAttributes(attribute.Int64(key, value)) }
func (w work) Fail(message string)            { w.span.SetStatus(codes.Error, message) }
func (w work) End()                           { w.span.End() }
