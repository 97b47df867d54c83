package broker

import (
	"time"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/settle"
	"github.com/firnlog/firnlog/core/upkeep"
	"github.com/firnlog/firnlog/objectstore"
)

// settleEvery is how often it is looked at what is due.
const settleEvery = 10 * time.Second

// settling makes the settler and the step that runs it beside the other maintenance; no step: it is switched off.
func (b *Broker) settling(store objectstore.Store, keys coordination.Keys) (*settle.Settler, []upkeep.Step) {
	s := settle.Settings{
		Store: store, KV: b.KV, Keys: keys, Stream: b.stream, Now: time.Now, Log: b.Log.With("part", "settle"),
		Observe: func(r settle.Report) {
			b.metrics.Settled(r.Kind, r.BytesIn, r.BytesOut, r.Gets, r.Puts, r.Damaged)
		},
	}.Defaults()
	s.Bytes, s.Age, s.Workers = int64(b.SettleBytes), b.SettleAge, b.SettleJobs
	if s.Age > 0 { // a short age is for a short while altogether
		s.Rest = min(s.Rest, s.Age)
	}
	settler := settle.New(s)
	b.metrics.Gauge("firnlog_settle_damaged", func() float64 { return float64(settler.Damaged()) })
	if s.Age == 0 || s.Bytes == 0 {
		return settler, nil
	}
	return settler, []upkeep.Step{{Name: "settle", Every: min(settleEvery, s.Age), Do: settler.Run}}
}
