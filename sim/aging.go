package sim

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/amend"
	"github.com/firnlog/firnlog/core/archive"
	"github.com/firnlog/firnlog/core/chill"
	"github.com/firnlog/firnlog/core/compact"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/retain"
	"github.com/firnlog/firnlog/core/topic"
	"github.com/firnlog/firnlog/objectstore"
)

// Aging says how records become old: log compaction, retention by time and size, cold storage. Zero: they do not.
type Aging struct {
	Every     time.Duration // between two looks of an instance that does such things
	Unit      time.Duration // of what topics are given as times: retention.ms and so on
	Cold      cold
	KeysBytes int64 // of the map of keys: few, and a walk does not get through in one go
	Bytes     int64 // of an object
	StepMax   time.Duration
}

// cold is where old objects go.
type cold int

const (
	nowhere cold = iota
	elsewhere
	otherClass // in the same store
)

// coldClass is a class that the store of a history takes.
const coldClass = "STANDARD_IA"

// drawAging gives two of three histories such topics.
func drawAging(seed uint64) (a Aging) {
	d := throw(seed, "aging", 0, 0, "")
	if d.chance(.34) {
		return a
	}
	return Aging{
		Every: d.between(500*time.Millisecond, 4*time.Second), Unit: time.Second, Cold: cold(d.below(3)),
		KeysBytes: []int64{150, 4000}[d.below(2)], Bytes: int64(500 + d.below(4000)), StepMax: []time.Duration{time.Millisecond, time.Minute}[d.below(2)],
	}
}

// configs draws what a topic is to be like: short-lived, of limited size, compacted, both, moved to cold storage, or neither.
func (w *world) configs(d *dice) map[string]string {
	// A clock may be hours behind, and would refuse what is from the future.
	out := map[string]string{topic.TimestampAfterMax: strconv.FormatInt(1<<50, 10)}
	if w.Aging == (Aging{}) {
		return out
	}
	units := func(least, most int) string {
		return strconv.FormatInt(d.between(time.Duration(least)*w.Aging.Unit, time.Duration(most)*w.Aging.Unit).Milliseconds(), 10)
	}
	policy := d.below(5)
	out[topic.CleanupPolicy] = []string{"delete", "delete", "compact", "compact", "compact,delete"}[policy]
	switch {
	case policy == 4:
		out[topic.RetentionMs] = units(10, 60)
	case policy < 2:
		switch d.below(3) {
		case 0:
			out[topic.RetentionMs] = units(3, 40)
		case 1:
			out[topic.RetentionBytes] = fmt.Sprint(1000 + d.below(20_000))
		default:
			out[topic.RetentionMs], out[topic.RetentionBytes] = units(10, 60), fmt.Sprint(3000+d.below(30_000))
		}
	}
	if policy >= 2 {
		out[topic.MinCleanableRatio] = fmt.Sprintf("%.2f", float64(d.below(50))/100)
		out[topic.DeleteRetentionMs], out[topic.SegmentMs] = units(0, 15), units(1, 10)
		if d.chance(.4) {
			out[topic.MinCompactionLagMs] = units(1, 15)
		}
	}
	w.cools(out, units(0, 20))
	return out
}

// cools adds where old objects go.
func (w *world) cools(configs map[string]string, after string) {
	if w.Aging.Cold != nowhere {
		configs[topic.ColdAfterMs] = after
	}
	if w.Aging.Cold == otherClass {
		configs[topic.ColdStorageClass] = coldClass
	}
}

// alter gives a topic other configs while everything runs.
func (w *world) alter(ctx context.Context, in *instance, d *dice) {
	var changes []topic.Change
	configs := w.configs(d)
	for _, key := range sortedKeys(configs) {
		changes = append(changes, topic.Change{Key: key, Value: configs[key]})
	}
	_, _ = in.topics.SetConfigs(ctx, fmt.Sprint("t", d.below(3)), changes, true, false) // it may not be there
}

// aging are the jobs of one instance.
type aging struct {
	shown   *latest
	retain  *retain.Retainer
	compact *compact.Compactor
	chill   *chill.Chiller
}

// newAging composes them as core/broker does.
func (in *instance) newAging(store objectstore.Store, kv faultyKV, now func() time.Time, log *slog.Logger) *aging {
	w := in.w
	archived := archive.New(store, 1<<20)
	amender := amend.New(store, archived, in.stream, kv, w.keys)
	shown := &latest{now: now}
	return &aging{
		shown: shown,
		retain: retain.New(retain.Settings{KV: retainingKV{kv, shown}, Keys: w.keys, Stream: in.stream, Archive: archived, Amender: amender, Now: shown.show, Log: log,
			LogStartsMax: 2, LoadsMax: 4, PrunesMax: 2, DeadMax: 2}),
		compact: compact.New(compact.Settings{Store: store, Stream: in.stream, Archive: archived, Amender: amender, Now: now, Log: log, Observe: in.compacted,
			KeysBytes: w.Aging.KeysBytes, Bytes: w.Aging.Bytes, PieceBytes: 900, DirtyMin: 1, StepMax: w.Aging.StepMax, Retry: w.long(2 * time.Second)}),
		chill: chill.New(chill.Settings{Store: store, Stream: in.stream, Archive: archived, Amender: amender, Now: now, Log: log, Observe: in.chilled,
			Elsewhere: w.Aging.Cold == elsewhere, BytesMax: 20_000, EntriesMax: 4, Retry: w.long(2 * time.Second)}),
	}
}

// ages where this instance is one of those that settle, and do the rest of such work.
func (in *instance) ages(ctx context.Context) error {
	if in.aging == nil || in.number >= in.w.Settlers || in.w.calm.Load() {
		return nil
	}
	var errs [3]error
	in.aging.shown.forget()
	errs[0] = in.aging.retain.Step(ctx)
	_, errs[1] = in.aging.compact.Step(ctx)
	_, errs[2] = in.aging.chill.Step(ctx)
	return errors.Join(errs[:]...)
}

func (in *instance) compacted(r compact.Report) { in.w.judge.Compacted(r.Groups) }

func (in *instance) chilled(objects int, _ int64) { in.w.judge.Chilled(objects) }

// latest is a clock that knows the latest time it has shown. It may be set back between a decision and what follows from it.
type latest struct {
	now func() time.Time
	ms  atomic.Int64
}

func (l *latest) show() time.Time {
	now := l.now()
	for ms := now.UnixMilli(); ; {
		old := l.ms.Load()
		if ms <= old || l.ms.CompareAndSwap(old, ms) {
			return now
		}
	}
}

func (l *latest) forget() { l.ms.Store(math.MinInt64) }

// retainingKV is the KV of retention: the judge is told which log starts are about to be moved, and what time it was for who decided that.
type retainingKV struct {
	faultyKV
	shown *latest
}

// Commit implements coordination.KV.
func (k retainingKV) Commit(ctx context.Context, guards []coordination.Guard, changes []coordination.Change, orElse ...string) (coordination.Result, error) {
	for _, c := range changes {
		key := k.in.w.keys.ParseLog(c.Key)
		if h, err := ledger.DecodeHead(c.Value); err == nil && key.Family == coordination.FamilyHead {
			k.in.w.judge.Retains(key.Topic, key.Partition, h.LogStart, time.UnixMilli(k.shown.ms.Load()))
		}
	}
	return k.faultyKV.Commit(ctx, guards, changes, orElse...)
}
