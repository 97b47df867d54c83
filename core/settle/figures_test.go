package settle_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/firnlog/firnlog/core/coretest"
	"github.com/firnlog/firnlog/core/ingest"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/settle"
	"github.com/firnlog/firnlog/core/upkeep"
	"github.com/firnlog/firnlog/objectstore"
)

// Dollars a request of S3 Standard (us-east-1, 2026); deletes are free.
const (
	putDollars = 0.005 / 1000
	getDollars = 0.0004 / 1000
)

// life is the whole life of data at full load: segments of full size through ingest, settled as they come, swept. Sizes are
// those of production divided by scale, so that the counts of requests are those of scale times the bytes.
type life struct {
	partitions int32
	scale      int64
	gib        float64 // of production
	each       int32   // partitions in a segment, the next ones in the next; 0: all
}

// lived is what it took.
type lived struct {
	ingest, settle objectstore.Snapshot
	jobs           map[string]settle.Report
	ownBytes       int64
	allBytes       int64
	headMost       int
	gib            float64 // of production, as accepted
}

func (x life) live(t *testing.T) (out lived) {
	synctest.Test(t, func(t *testing.T) {
		c := coretest.NewCluster(t)
		topic := c.CreateTopic("t", x.partitions)
		segment := (8 << 20) / x.scale
		a := c.Instance("a", coretest.Options{SegmentBytes: 2 * segment, Linger: time.Second, Upkeep: func(s *upkeep.Settings) { s.CheckpointAge, s.Lag, s.SweepGrace = 0, 0, 0 }}).Ready()
		settles := objectstore.NewMeter(a.Store, time.Now, nil)
		s := settle.Settings{Store: settles, KV: a.KV, Keys: c.Keys, Stream: a.Stream, Now: a.Now, Log: coretest.Quiet()}.Defaults()
		s.Bytes, s.PieceBytes, s.AheadBytes, s.Rest = s.Bytes/x.scale, s.PieceBytes/x.scale, s.AheadBytes/x.scale, 0
		out.jobs = map[string]settle.Report{}
		s.Observe = func(r settle.Report) {
			sum := out.jobs[r.Kind]
			sum.BytesIn, sum.BytesOut, sum.Gets, sum.Puts = sum.BytesIn+r.BytesIn, sum.BytesOut+r.BytesOut, sum.Gets+r.Gets, sum.Puts+r.Puts
			out.jobs[r.Kind] = sum
			if r.Damaged+r.LeftOut > 0 {
				t.Errorf("%+v", r)
			}
		}
		settler := settle.New(s)
		dice := rand.New(rand.NewPCG(1, 2))
		if x.each == 0 {
			x.each = x.partitions
		}
		value := make([]byte, segment/int64(x.each)-74) // and the headers of its batch
		for i := range value {
			value[i] = byte(dice.Uint32())
		}
		segments := int(x.gib * (1 << 30) / (8 << 20))
		for n := range segments {
			var batches []ingest.Incoming
			for i := range x.each {
				p := (int32(n)*x.each + i) % x.partitions
				batches = append(batches, coretest.Plain(record.TopicPartition{Topic: topic, Partition: p}, string(value)))
			}
			a.MustProduce(batches...)
			if n%16 == 15 {
				cover(t, a)
				if err := settler.Run(context.Background()); err != nil {
					t.Fatal(err)
				}
			}
			if n%256 == 255 {
				sweepLife(t, a)
				c.Transcript() // it would grow for ever, as the history of the KV would
				if err := c.Etcd.Compact(context.Background(), c.Put(c.Keys.Lease("compaction"), nil)); err != nil {
					t.Fatal(err)
				}
			}
		}
		out.ingest.Put.Requests = int64(a.Flushes())
		out.settle = settles.Snapshot()
		a.View(func(l *ledger.Ledger) {
			l.EachPartition(func(_ record.TopicPartition, p *ledger.Partition) { out.headMost = max(out.headMost, len(p.Stored())) })
		})
		for _, w := range c.Walk() {
			for _, sp := range append(w.Spans, w.Listed...) {
				if out.allBytes += sp.Length; sp.Place == ledger.InOwn {
					out.ownBytes += sp.Length
				}
			}
		}
	})
	out.gib = float64(out.allBytes) * float64(x.scale) / (1 << 30)
	return out
}

func cover(t *testing.T, a *coretest.Instance) {
	t.Helper()
	a.Upkeep.Observe()
	if err := a.Upkeep.Checkpoint(context.Background()); err != nil {
		t.Fatal(err)
	}
}

func sweepLife(t *testing.T, a *coretest.Instance) {
	t.Helper()
	for range 2 {
		time.Sleep(time.Second)
		if err := a.Upkeep.RaiseStamp(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	a.Upkeep.Observe()
	for _, step := range []func(context.Context) error{a.Upkeep.RaiseFloor, a.Upkeep.Trim, a.Upkeep.Sweep, a.Upkeep.SweepSettled} {
		if err := step(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
}

// TestFigures_RequestsPerGiBThroughTheWholeLife keeps the budget of DESIGN §10: at most 160 PUTs a GiB at full load, settling included. The
// counts of merges and own objects lag behind what is written; FIRNLOG_FIGURES=1 lives long enough for all tiers with 1,000 partitions.
func TestFigures_RequestsPerGiBThroughTheWholeLife(t *testing.T) {
	lives := []life{{partitions: 12, scale: 512, gib: 12}, {partitions: 100, scale: 512, gib: 24}}
	if os.Getenv("FIRNLOG_FIGURES") != "" {
		lives = []life{{partitions: 12, scale: 1024, gib: 60}, {partitions: 100, scale: 512, gib: 100}, {partitions: 1000, scale: 512, gib: 110, each: 125}}
	}
	for _, x := range lives {
		t.Run(fmt.Sprint(x.partitions, " partitions"), func(t *testing.T) {
			out := x.live(t)
			puts := float64(out.ingest.Put.Requests+out.settle.Put.Requests) / out.gib
			gets := float64(out.settle.Get.Requests) / out.gib
			rewritten := float64(out.settle.Put.BytesOut) / float64(out.allBytes)
			t.Logf("| %d | %.0f | %.1f | %.1f | %.0f | $%.5f | %.2f | %.0f %% | %d |", x.partitions, out.gib, puts, float64(out.settle.Put.Requests)/out.gib, gets,
				puts*putDollars+gets*getDollars, rewritten, 100*float64(out.ownBytes)/float64(out.allBytes), out.headMost)
			for kind, r := range out.jobs {
				t.Logf("  %s: %.1f PUTs, %.0f GETs a GiB; %.2f bytes in, %.2f out for each", kind, float64(r.Puts)/out.gib, float64(r.Gets)/out.gib,
					float64(r.BytesIn)/float64(out.allBytes), float64(r.BytesOut)/float64(out.allBytes))
			}
			if puts > 160 {
				t.Errorf("%.1f PUTs a GiB, the budget is 160", puts)
			}
		})
	}
}
