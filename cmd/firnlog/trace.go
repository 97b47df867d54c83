package main

import (
	"context"
	"os"
	"time"

	"github.com/firnlog/firnlog/core/broker"
	"github.com/firnlog/firnlog/core/tracing"
	"github.com/firnlog/firnlog/core/tracing/otlp"
)

// lastSpans is how long the end of a process waits for a collector.
const lastSpans = 2 * time.Second

// trace lets a broker send spans where the environment asks for it (OTEL_…).
func trace(ctx context.Context, s *broker.Settings) (stop func(), err error) {
	wanted, err := otlp.Wanted(os.Getenv)
	if err != nil || !wanted {
		return func() {}, err
	}
	t, err := otlp.New(context.WithoutCancel(ctx), s.Version, s.Log.With("part", "tracing"))
	if err != nil {
		return nil, err
	}
	s.Trace = tracing.New(t)
	return func() {
		last, cancel := context.WithTimeout(context.Background(), lastSpans)
		defer cancel()
		if err := t.Close(last); err != nil {
			s.Log.Warn("the last spans were not sent", "error", err)
		}
	}, nil
}
