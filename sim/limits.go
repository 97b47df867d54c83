package sim

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/fetch"
	"github.com/firnlog/firnlog/core/ingest"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/record"
)

// holds counts a batch that an instance has taken, until it is answered or its client is gone. Of several in a request it is not
// known which were answered.
func (in *instance) holds(p *ingest.Pending, batches []*batch) (release func()) {
	select {
	case <-p.Done():
		return func() {}
	default:
	}
	n := int64(0)
	if len(batches) == 1 {
		n = int64(len(batches[0].bytes))
	}
	in.held.Add(n)
	return func() { in.held.Add(-n) }
}

// holdsLittle compares what it has taken with the memory that it was given. A batch that was answered at this very instant may not have
// been counted off yet while the next one is in already: so it lets everything else of the instant happen, and looks again.
func (in *instance) holdsLittle(ctx context.Context) {
	if in.held.Load() > in.w.MemoryMax && wait(ctx, time.Nanosecond) && !in.isDead() {
		in.w.judge.Holds(in.name(), in.held.Load(), in.w.MemoryMax)
	}
}

// damage turns a bit of some batches, after the judge has seen them as they were: what comes of it must be a refusal of just that batch.
func (w *world) damage(b *batch, d *dice) {
	if b.corrupt = d.chance(w.Corrupt); b.corrupt {
		b.bytes[len(b.bytes)-1] ^= 1
	}
}

// unknownVersion is that of a record of a later build.
const unknownVersion = 99

// upgrade lets a later build write a record, when everything else is over: from then on nobody of this build may serve, or what it
// would say depended on what it cannot read.
func (w *world) upgrade(ctx context.Context) {
	if !w.Upgrade || ctx.Err() != nil {
		return
	}
	w.judge.Blind()
	w.upgraded.Store(true)
	id := ulid.ULID{15: 1}
	_ = id.SetTime(uint64(time.Now().Add(time.Hour).UnixMilli())) // it is small enough
	if _, err := w.kv.Commit(ctx, nil, []coordination.Change{coordination.PutKey(w.keys.Commit(id), []byte{unknownVersion})}); err != nil {
		w.judge.Stuck("upgrade: " + err.Error())
		return
	}
	if !wait(ctx, 5*time.Second) {
		return
	}
	for _, in := range w.all() {
		w.serves(ctx, in)
	}
}

// serves asks an instance that has met a record of a version that it does not know.
func (w *world) serves(ctx context.Context, in *instance) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if err := in.stream.View(func(*ledger.Ledger) {}); err == nil {
		w.judge.Served(in.name(), "shows its ledger")
	}
	tp := w.others()[0]
	if b, err := in.fetch.Bounds(ctx, tp); !errors.Is(err, fetch.ErrUnavailable) {
		w.judge.Served(in.name(), fmt.Sprintf("says that %v is %d to %d (%v)", tp, b.LogStart, b.HighWatermark, err))
	}
	batch, err := record.NewBatch(record.Settings{}).Append(1, nil, []byte("x")).Seal()
	if err != nil {
		panic(err) // cannot be: it has a record
	}
	if o := in.ingest.Add(ctx, []ingest.Incoming{{Partition: tp, Batch: batch}}).Wait(ctx); o[0].Err == nil {
		w.judge.Served(in.name(), "takes a batch")
	}
}
