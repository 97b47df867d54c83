package broker

import (
	mathrand "math/rand/v2"
	"time"

	"github.com/firnlog/firnlog/core/cost"
	"github.com/firnlog/firnlog/core/fsck"
	"github.com/firnlog/firnlog/core/upkeep"
	"github.com/firnlog/firnlog/objectstore"
)

const (
	scrubEvery = time.Second // between two steps
	scrubFor   = time.Minute // of a step: then it looks whether this instance still has the duty
	// scrubGetBytes is what a GET counts as, at least: a broker that scrubs sends one a second, which is a dollar a month.
	scrubGetBytes = 1 << 20
	scrubRound    = 24 * time.Hour // at least
	costEvery     = 10 * time.Minute
)

// checking are the steps that look at what is stored: scrub, and what it costs.
func (b *Broker) checking(store objectstore.Store) ([]upkeep.Step, error) {
	prices, err := cost.ReadPrices(cost.BuiltIn())
	if err != nil {
		return nil, err
	}
	costs := cost.NewObserver(store, b.stream, prices, time.Now, costEvery)
	b.metrics.Gauges("firnlog_topic_stored_bytes", costs.Stored)
	b.metrics.Gauges("firnlog_topic_storage_dollars", costs.Dollars)
	steps := []upkeep.Step{{Name: "cost", Every: costEvery, Do: costs.Step}}
	if b.ScrubRate == 0 {
		return steps, nil
	}
	counts := b.metrics.NewChecking()
	scrubber := fsck.NewScrubber(fsck.ScrubSettings{
		Store: store, Stream: b.stream, Now: time.Now, Log: b.Log.With("part", "scrub"), Random: mathrand.Float64,
		BytesPerSecond: int64(b.ScrubRate), GetBytes: scrubGetBytes, For: scrubFor, RoundMin: scrubRound,
		Observe: func(bytes int64, found []fsck.Finding) {
			counts.Read(bytes)
			for _, f := range found {
				counts.Found(string(f.Kind))
			}
		},
	})
	return append(steps, upkeep.Step{Name: "scrub", Every: scrubEvery, Do: scrubber.Step}), nil
}
