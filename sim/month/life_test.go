package month_test

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/firnlog/firnlog/core/amend"
	"github.com/firnlog/firnlog/core/archive"
	"github.com/firnlog/firnlog/core/backup"
	"github.com/firnlog/firnlog/core/chill"
	"github.com/firnlog/firnlog/core/coretest"
	"github.com/firnlog/firnlog/core/ingest"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/retain"
	"github.com/firnlog/firnlog/core/settle"
	"github.com/firnlog/firnlog/core/upkeep"
	"github.com/firnlog/firnlog/objectstore"
)

var lifeFlag = flag.Bool("life", false, "what a GiB costs in its whole life, in steady state; without it a slice")

// load is how fast is written, and load times of jobs are those of a broker.
const (
	loadPerSecond = 100 << 20
	segmentBytes  = 8 << 20
)

// life is one cluster at full load whose sizes are all divided by shrink: numbers of requests are those of the real sizes.
type life struct {
	*coretest.Cluster
	t          *testing.T
	a          *coretest.Instance
	partitions int32
	shrink     int64
	topic      record.TopicID
	meters     map[string]*objectstore.Meter
	settle     *settle.Settler
	chill      *chill.Chiller
	retain     *retain.Retainer
	keeper     *backup.Keeper
	last       map[string]time.Time
	written    int64 // of real size
	next       int32
}

func newLife(t *testing.T, partitions int32, shrink int64) *life {
	l := &life{Cluster: coretest.NewCluster(t), t: t, partitions: partitions, shrink: shrink, meters: map[string]*objectstore.Meter{}, last: map[string]time.Time{}}
	l.topic = l.CreateTopic("t", partitions, "retention.ms", ms(3*day), "firnlog.cold.after.ms", ms(2*time.Hour))
	l.a = l.Instance("a", coretest.Options{SegmentBytes: segmentBytes / shrink, MemoryMax: 1 << 30, CacheBytes: 1 << 20, Upkeep: func(s *upkeep.Settings) {
		s.Store = l.meter("sweep", s.Store)
		s.Retained = func(ctx context.Context, refer referrer) error { return l.keeper.Retained(ctx, refer) }
		s.Outlived = func(ctx context.Context, since, floor mark) ([]string, error) {
			return l.keeper.Outlived(ctx, since, floor)
		}
	}}).Ready()
	log := coretest.Quiet()
	s := settle.Settings{Store: l.meter("settle", l.a.Store), KV: l.a.KV, Keys: l.Keys, Stream: l.a.Stream, Now: l.a.Now, Log: log}.Defaults()
	s.Bytes, s.PieceBytes, s.AheadBytes = s.Bytes/shrink, s.PieceBytes/shrink, s.AheadBytes/shrink
	l.settle = settle.New(s)
	amender := func(store objectstore.Store) (*archive.Archive, *amend.Amender) {
		archived := archive.New(store, archive.BytesMax)
		return archived, amend.New(store, archived, l.a.Stream, l.a.KV, l.Keys)
	}
	store := l.meter("chill", l.a.Store)
	archived, amends := amender(store)
	l.chill = chill.New(chill.Settings{Store: store, Stream: l.a.Stream, Archive: archived, Amender: amends, Now: l.a.Now, Log: log, Elsewhere: true}.Defaults())
	archived, amends = amender(l.meter("retain", l.a.Store))
	l.retain = retain.New(retain.Settings{KV: l.a.KV, Keys: l.Keys, Stream: l.a.Stream, Archive: archived, Amender: amends, Now: l.a.Now, Log: log}.Defaults())
	l.keeper = backup.New(backup.Settings{Store: l.meter("backup", l.a.Store), KV: l.a.KV, Cluster: "test", Now: l.a.Now, Entropy: rand.NewChaCha8([32]byte{7}), Log: log,
		JournalEvery: 10 * time.Second, BackupEvery: time.Hour, Keep: 3, KeepFor: day, LeaseTTL: time.Minute})
	return l
}

func (l *life) meter(name string, store objectstore.Store) *objectstore.Meter {
	l.meters[name] = objectstore.NewMeter(store, time.Now, nil)
	return l.meters[name]
}

// every runs a job when it is due, as brokers do.
func (l *life) every(name string, d time.Duration, do func(context.Context) error) {
	l.t.Helper()
	if time.Since(l.last[name]) < d {
		return
	}
	l.last[name] = time.Now()
	if err := do(l.t.Context()); err != nil {
		l.t.Fatalf("%s: %v", name, err)
	}
}

func (l *life) maintain() {
	l.t.Helper()
	u := l.a.Upkeep
	u.Observe()
	l.every("stamp", 5*time.Second, u.RaiseStamp)
	l.every("floor", 5*time.Second, u.RaiseFloor)
	l.every("checkpoint", time.Second, u.Checkpoint)
	l.every("trim", 5*time.Second, u.Trim)
	l.every("journal", 10*time.Second, l.keeper.WriteJournal)
	l.every("backup", time.Minute, l.keeper.TakeIfDue)
	l.every("settle", 10*time.Second, l.settle.Run)
	l.every("retain", 30*time.Second, l.retain.Step)
	l.every("chill", 5*time.Minute, func(ctx context.Context) error {
		for {
			if more, err := l.chill.Step(ctx); err != nil || !more {
				return err
			}
		}
	})
	l.every("sweep", 10*time.Minute, u.Sweep)
	l.every("sweep settled", 6*time.Hour, u.SweepSettled)
	l.Transcript()
}

// write is full load until so many bytes of real size are written: each call of produce fills one segment.
func (l *life) write(bytes int64) {
	l.t.Helper()
	each := segmentBytes / l.shrink / 128 // of a batch
	if l.partitions < 128 {
		each = segmentBytes / l.shrink / int64(l.partitions)
	}
	for stop := l.written + bytes; l.written < stop; {
		sealed, err := record.NewBatch(record.Settings{}).Append(time.Now().UnixMilli(), nil, make([]byte, each-80)).Seal()
		if err != nil {
			l.t.Fatal(err)
		}
		var in []ingest.Incoming
		for n := int64(0); n < segmentBytes/l.shrink; n += int64(len(sealed)) {
			in = append(in, ingest.Incoming{Partition: record.TopicPartition{Topic: l.topic, Partition: l.next % l.partitions}, Batch: sealed})
			l.next++
			l.written += int64(len(sealed)) * l.shrink
		}
		l.a.MustProduce(in...)
		time.Sleep(segmentBytes * time.Second / loadPerSecond)
		l.maintain()
	}
}

// counted is what was asked of the store.
type counted struct{ put, get, list, remove, in, out int64 }

func (l *life) counts() map[string]counted {
	out := map[string]counted{}
	for name, m := range l.meters {
		s := m.Snapshot()
		out[name] = counted{s.Put.Requests, s.Get.Requests, s.List.Requests, s.Delete.Requests, s.Get.BytesIn, s.Put.BytesOut}
	}
	return out
}

func (c counted) minus(o counted) counted {
	return counted{c.put - o.put, c.get - o.get, c.list - o.list, c.remove - o.remove, c.in - o.in, c.out - o.out}
}

// observeWrites counts what ingest puts: it shares the instance's store with nobody that is metered.
func (l *life) observeWrites() *int64 {
	n := new(int64)
	l.FaultStore(func(_ string, op objectstore.Op, key string) (d objectstore.Decision) {
		if op == objectstore.OpPut && len(key) > len(ledger.SegmentPrefix) && key[:len(ledger.SegmentPrefix)] == ledger.SegmentPrefix {
			*n++
		}
		return d
	})
	return n
}

// Prices of S3 (us-east-1, list): dollars for 1,000 requests, and for a GiB and month.
const (
	pricePut, priceGet, priceGiB = 0.005, 0.0004, 0.023
)

// TestLife_RequestsOfAGiBStayInBudget: DESIGN, "PUTs per GiB at full load, settling included: 160".
func TestLife_RequestsOfAGiBStayInBudget(t *testing.T) {
	for _, c := range []struct {
		partitions   int32
		shrink       int64
		gib, sliceOf int64
	}{{12, 64, 48, 8}, {1000, 128, 100, 0}} {
		gib := c.gib
		if !*lifeFlag {
			gib = c.sliceOf
		}
		if gib == 0 {
			continue
		}
		t.Run(fmt.Sprint(c.partitions, " partitions"), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { newLife(t, c.partitions, c.shrink).measure(gib) })
		})
	}
}

// measure looks at the second half of a time of full load, when every kind of job is under way; then at what becomes of it.
func (l *life) measure(gib int64) {
	l.t.Helper()
	segments := l.observeWrites()
	l.write(gib / 2 << 30)
	before, puts := l.counts(), *segments
	l.write(gib / 2 << 30)
	half := float64(gib) / 2
	sum := map[string]counted{}
	for name, c := range l.counts() {
		sum[name] = c.minus(before[name])
	}
	sum["write"] = counted{put: *segments - puts, out: l.written / l.shrink / 2}
	rewritten := float64(sum["settle"].out*l.shrink) / float64(l.written/2)
	budget := 0.0
	for _, name := range []string{"write", "settle", "backup", "sweep"} {
		budget += l.row(name, sum[name], half)
	}
	l.t.Logf("%d partitions: %.1f PUTs per GiB, settling and backups included; each byte is rewritten %.2f times; settling costs $%.2f a TiB, storing it a month $%.2f",
		l.partitions, budget, rewritten, dollars(sum["settle"])/half*1024, priceGiB*1024)
	if budget > 160 {
		l.t.Errorf("%.1f PUTs per GiB, want 160 at most", budget)
	}
	if rewritten > 4 {
		l.t.Errorf("each byte is rewritten %.2f times, want 4 at most", rewritten)
	}
	l.ages(gib)
}

// row prints requests per GiB, and gives the PUTs.
func (l *life) row(name string, c counted, gib float64) float64 {
	per := func(n int64) float64 { return float64(n) / gib }
	l.t.Logf("| %d | %s | %.2f | %.2f | %.2f | %.2f | %.2f | %.2f | $%.3f |", l.partitions, name, per(c.put), per(c.get), per(c.list), per(c.remove),
		float64(c.in*l.shrink)/(1<<30)/gib, float64(c.out*l.shrink)/(1<<30)/gib, dollars(c)/gib*1024)
	return per(c.put)
}

func dollars(c counted) float64 {
	return float64(c.put+c.list)/1000*pricePut + float64(c.get)/1000*priceGet
}

// ages lets what was written become settled for good and cold, then stand for a while, and then expire. What a cluster asks of
// the store while nothing is written does not grow with GiB: it is told as dollars a month.
func (l *life) ages(gib int64) {
	l.t.Helper()
	for _, part := range []struct {
		name string
		d    time.Duration
		jobs []string
	}{
		{"settled for good, and cold", 8 * time.Hour, []string{"settle", "chill"}},
		{"retained", 40 * time.Hour, nil},
		{"expired", 3 * day, []string{"retain", "sweep"}},
	} {
		before := l.counts()
		for range part.d / (10 * time.Minute) {
			time.Sleep(10 * time.Minute)
			l.maintain()
		}
		fixed := 0.0
		for name, c := range l.counts() {
			if c = c.minus(before[name]); name == "backup" || name == "sweep" || name == "retain" {
				fixed += dollars(c)
			}
		}
		all := bucket(l.Cluster)
		stored := total(all).bytes * l.shrink
		l.t.Logf("%s: %.1f GiB stored of %d GiB written; backups, retention and sweeping cost $%.2f a month", part.name, float64(stored)/(1<<30), gib, fixed*float64(30*day)/float64(part.d))
		for _, prefix := range prefixes {
			l.t.Logf("  %s %d objects, %.2f GiB", prefix, all[prefix].n, float64(all[prefix].bytes*l.shrink)/(1<<30))
		}
		for _, name := range part.jobs {
			l.row(name, l.counts()[name].minus(before[name]), float64(gib))
		}
		switch part.name {
		case "retained":
			if over := float64(stored)/float64(l.written) - 1; over > 0.05 {
				l.t.Errorf("%.1f %% more is stored than is retained", 100*over)
			}
		case "expired":
			if stored > 1<<30 {
				l.t.Errorf("%d bytes are left after everything has expired", stored)
			}
		}
	}
}
