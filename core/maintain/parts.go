package maintain

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/amend"
	"github.com/firnlog/firnlog/core/backup"
	"github.com/firnlog/firnlog/core/chill"
	"github.com/firnlog/firnlog/core/compact"
	"github.com/firnlog/firnlog/core/fsck"
	"github.com/firnlog/firnlog/core/group"
	"github.com/firnlog/firnlog/core/instance"
	"github.com/firnlog/firnlog/core/retain"
	"github.com/firnlog/firnlog/core/settle"
	"github.com/firnlog/firnlog/core/stream"
	"github.com/firnlog/firnlog/core/sweep"
	"github.com/firnlog/firnlog/core/txn"
	"github.com/firnlog/firnlog/core/upkeep"
)

// parts are what steps are done with, made anew for each visit: what they remember is of this reading of the log.
type parts struct {
	stream  *stream.Stream
	upkeep  *upkeep.Upkeep
	written *backup.Keeper
	settle  *settle.Settler
	retain  *retain.Retainer
	compact *compact.Compactor
	chill   *chill.Chiller
	sweep   *sweep.Sweeper
	scrub   *fsck.Scrubber
	groups  *group.Coordinator
	tender  *group.Visitor
	txns    *txn.Coordinator
	brokers bool // some live: groups are theirs
}

// oneself coordinates what nobody else does while no broker lives. Whoever comes later takes it by the same comparisons.
type oneself struct{}

// selfNode is no id that a broker gets.
const selfNode int32 = 1<<31 - 1

func (oneself) Live() []instance.Info { return []instance.Info{{Node: selfNode}} }
func (oneself) Self() int32           { return selfNode }

func (v *visit) build(ctx context.Context, follower *stream.Stream, last string) (*parts, error) {
	live, err := v.KV.List(ctx, coordination.Range{Prefix: v.keys.Instances(), Limit: 1, KeysOnly: true})
	if err != nil {
		return nil, fmt.Errorf("look for brokers: %w", err)
	}
	p := &parts{stream: follower, written: v.backups(last), brokers: len(live.Items) > 0}
	p.settle = settle.New(v.settling(follower))
	p.upkeep = upkeep.New(v.keeping(p))
	p.sweep = sweep.New(sweep.Settings{
		Store: v.Store, KV: v.KV, Keys: v.keys, Stream: follower, Now: v.Now, Log: v.Log.With("part", "sweep"), RaiseFloor: p.upkeep.RaiseFloor,
		Grace: v.SweepGrace, Retained: p.written.Retained, Outlived: p.written.Outlived,
		Deleted: func(n int) { v.report.DeletedObjects += n },
	})
	amender := amend.New(v.Store, v.archive, follower, v.KV, v.keys)
	p.retain = retain.New(retain.Settings{
		KV: v.KV, Keys: v.keys, Stream: follower, Archive: v.archive, Amender: amender, Now: v.Now, Log: v.Log.With("part", "retain"),
	}.Defaults())
	cs := compact.Settings{
		Store: v.Store, Stream: follower, Archive: v.archive, Amender: amender, Now: v.Now, Log: v.Log.With("part", "compact"),
		Observe: func(r compact.Report) { v.report.CompactedBytes += r.BytesIn },
	}.Defaults()
	cs.KeysBytes, cs.Bytes = cmp.Or(v.CompactKeys, cs.KeysBytes), min(cs.Bytes, cmp.Or(v.SettleBytes, cs.Bytes))
	p.compact = compact.New(cs)
	p.chill = chill.New(chill.Settings{
		Store: v.Store, Stream: follower, Archive: v.archive, Amender: amender, Now: v.Now, Log: v.Log.With("part", "chill"), Elsewhere: v.Elsewhere,
		Observe: func(_ int, bytes int64) { v.report.ChilledBytes += bytes },
	}.Defaults())
	p.scrub = fsck.NewScrubber(v.scrubbing(follower))
	grouping := group.Settings{
		KV: v.KV, Keys: v.keys, View: follower, Cluster: oneself{}, Now: v.Now, NewID: func() string { return v.by }, Log: v.Log.With("part", "groups"),
		Limits: group.DefaultLimits(), OffsetsRetention: v.OffsetsRetention,
	}
	p.groups = group.New(grouping)
	p.tender = group.NewVisitor(grouping, func(context.Context, []string, bool) error { return nil }) // all topics are known here
	p.txns = txn.New(txn.Settings{
		KV: v.KV, Keys: v.keys, View: follower, Offsets: p.groups, Cluster: oneself{}, Producers: txn.NewProducerIDs(v.KV, v.keys, follower),
		Log: v.Log.With("part", "transactions"), TimeoutMax: txn.DefaultTimeoutMax, IDRetention: txn.DefaultIDRetention,
	})
	return p, nil
}

// keeping: heads are written for all that was committed: there is one look a minute, so waiting would save nothing, and cold readers
// would have to read more.
func (v *visit) keeping(p *parts) upkeep.Settings {
	s := upkeep.Settings{
		Store: v.Store, KV: v.KV, Keys: v.keys, Stream: p.stream, Now: v.Now, Log: v.Log.With("part", "upkeep"), Holder: v.Holder,
		TooLarge: p.settle.Urge, Retained: p.written.Retained, Outlived: p.written.Outlived,
	}.Defaults()
	s.CheckpointAge, s.Lag, s.SweepGrace, s.ProducerExpiry = 0, v.Lag, v.SweepGrace, v.ProducerExpiry
	return s
}

// settling: a job is begun only if there is time for all of it.
func (v *visit) settling(follower *stream.Stream) settle.Settings {
	s := settle.Settings{
		Store: v.Store, KV: v.KV, Keys: v.keys, Stream: follower, Now: v.Now, Log: v.Log.With("part", "settle"),
		Observe: func(r settle.Report) {
			v.report.SettledBytes += r.BytesIn
			v.report.Damaged += r.Damaged
		},
		May: func(bytes int64) bool {
			needs := v.takes(bytes)
			if v.end.Sub(v.Now()) >= needs {
				return true
			}
			if bytes > v.report.SettleLeftForBytes {
				v.report.SettleLeftForBytes, v.report.SettleLeftForMillis = bytes, needs.Milliseconds()
			}
			return false
		},
	}.Defaults()
	s.Bytes = cmp.Or(v.SettleBytes, s.Bytes)
	s.Age, s.Rest = v.SettleAge, min(s.Rest, v.SettleAge)
	s.AheadBytes = min(s.AheadBytes, max(s.Bytes/2, s.PieceBytes))
	return s
}

// takes is how long it takes at most to read bytes and write them again.
func (v *visit) takes(bytes int64) time.Duration {
	const least = time.Second
	return least + time.Duration(float64(bytes)/float64(v.BytesPerSecond)*float64(time.Second))
}

// scrubGetBytes is what a GET counts as, at least: so requests are bounded too.
const scrubGetBytes = 1 << 20

// scrubbing reads in one go what is due since the last visit that scrubbed, without pauses, for which a function would pay.
func (v *visit) scrubbing(follower *stream.Stream) fsck.ScrubSettings {
	return fsck.ScrubSettings{
		Store: v.Store, Stream: follower, Now: v.Now, Log: v.Log.With("part", "scrub"), Random: v.Random,
		GetBytes: scrubGetBytes, RoundMin: 24 * time.Hour,
		Observe: func(_ int64, found []fsck.Finding) { v.report.Damaged += len(found) },
	}
}
