package broker

import (
	"context"
	"time"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/amend"
	"github.com/firnlog/firnlog/core/archive"
	"github.com/firnlog/firnlog/core/chill"
	"github.com/firnlog/firnlog/core/compact"
	"github.com/firnlog/firnlog/core/retain"
	"github.com/firnlog/firnlog/core/upkeep"
	"github.com/firnlog/firnlog/objectstore"
)

// How often is looked for what has become old. A look that finds nothing sends no request, but for manifests that are new.
const (
	retainEvery  = 30 * time.Second
	compactEvery = 30 * time.Second
	chillEvery   = 5 * time.Minute
)

// aging are the steps that let go of what is old, or move it: retention, log compaction, cold storage.
func (b *Broker) aging(keys coordination.Keys, store objectstore.Store) []upkeep.Step {
	archived := archive.New(store, archive.BytesMax)
	amender := amend.New(store, archived, b.stream, b.KV, keys)
	retainer := retain.New(retain.Settings{
		KV: b.KV, Keys: keys, Stream: b.stream, Archive: archived, Amender: amender, Now: time.Now, Log: b.Log.With("part", "retain"),
	}.Defaults())
	settings := compact.Settings{
		Store: store, Stream: b.stream, Archive: archived, Amender: amender, Now: time.Now, Log: b.Log.With("part", "compact"),
		Observe: func(r compact.Report) { b.metrics.Compaction(r.BytesIn, r.BytesOut, r.RecordsDropped) },
	}.Defaults()
	if b.CompactKeys > 0 {
		settings.KeysBytes = int64(b.CompactKeys)
	}
	compactor := compact.New(settings)
	chiller := chill.New(chill.Settings{
		Store: store, Stream: b.stream, Archive: archived, Amender: amender, Now: time.Now, Log: b.Log.With("part", "chill"),
		Elsewhere: b.ColdStore != "", Observe: func(_ int, bytes int64) { b.metrics.Chilled(bytes) },
	}.Defaults())
	b.metrics.Gauge("firnlog_retention_overdue_partitions",
		func() float64 { n, _ := retainer.Overdue(); return float64(n) })
	b.metrics.Gauge("firnlog_retention_overdue_seconds",
		func() float64 { _, longest := retainer.Overdue(); return longest.Seconds() })
	b.metrics.Gauge("firnlog_cold_refused_partitions", func() float64 { return float64(chiller.Refused()) })
	return []upkeep.Step{
		{Name: "retain", Every: retainEvery, Do: retainer.Step},
		{Name: "compact", Every: compactEvery, Do: compactor.Run},
		{Name: "chill", Every: chillEvery, Do: untilDone(chiller.Step)},
	}
}

// untilDone repeats a step while there is more.
func untilDone(step func(context.Context) (more bool, err error)) func(context.Context) error {
	return func(ctx context.Context) error {
		for {
			if more, err := step(ctx); err != nil || !more {
				return err
			}
		}
	}
}
