package broker

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/firnlog/firnlog/core/cost"
	"github.com/firnlog/firnlog/core/ingest"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/pause"
	"github.com/firnlog/firnlog/core/rest"
	"github.com/firnlog/firnlog/core/telemetry"
	"github.com/firnlog/firnlog/core/wire"
	"github.com/firnlog/firnlog/objectstore"
)

// gauges adds what is read when somebody looks.
func (b *Broker) gauges() {
	b.logGauges()
	m := b.metrics
	m.Gauges("firnlog_build_info", func(emit func(v float64, values ...string)) { emit(1, b.Version) })
	m.Gauge("firnlog_instances", func() float64 { return float64(len(b.instances.Live())) })
	m.Gauge("firnlog_groups", func() float64 { return float64(b.groups.Count()) })
	m.Gauges("firnlog_group_lag", b.groupLag)
	m.Gauge("firnlog_kafka_connections", func() float64 { return float64(b.kafka.Connections()) })
	m.Gauge("firnlog_cache_bytes", func() float64 { _, _, held := b.cache.Stats(); return float64(held) })
	m.Count("firnlog_cache_hits_total", func() float64 { hits, _, _ := b.cache.Stats(); return float64(hits) })
	m.Count("firnlog_cache_misses_total", func() float64 { _, misses, _ := b.cache.Stats(); return float64(misses) })
	m.Count("firnlog_store_hedges_total", func() float64 { sent, _ := b.hedges(); return float64(sent) })
	m.Count("firnlog_store_hedges_won_total", func() float64 { _, won := b.hedges(); return float64(won) })
	m.Gauge("firnlog_ingest_memory_bytes", func() float64 { return float64(b.ingest.Held()) })
	m.Gauge("firnlog_ingest_memory_max_bytes", func() float64 { return float64(b.IngestMemory) })
	m.Gauge("firnlog_transactions_open", func() float64 { n, _ := b.txns.Open(); return float64(n) })
	m.Gauge("firnlog_transactions_oldest_seconds", func() float64 { _, oldest := b.txns.Open(); return oldest.Seconds() })
	m.Gauge("firnlog_upkeep_held", func() float64 {
		if b.upkeep.Holds() {
			return 1
		}
		return 0
	})
	m.Count("firnlog_log_lines_dropped_total", func() float64 { return float64(telemetry.Dropped(b.Log)) })
	m.Gauges("firnlog_ready", b.health.gauge)
	m.Gauges("firnlog_certificate_expiry_timestamp_seconds", func(emit func(v float64, values ...string)) {
		for listener, own := range b.security.certificates {
			emit(float64(own.NotAfter().Unix()), listener)
		}
	})
	m.Gauges("firnlog_certificate_files_refused", func(emit func(v float64, values ...string)) {
		for listener, own := range b.security.certificates {
			refused := 0.0
			if own.Trouble() != nil {
				refused = 1
			}
			emit(refused, listener)
		}
	})
	m.Gauge("firnlog_etcd_database_bytes", func() float64 { return float64(b.etcdSize.total.Load()) })
	m.Gauge("firnlog_etcd_database_used_bytes", func() float64 { return float64(b.etcdSize.used.Load()) })
}

func (b *Broker) hedges() (sent, won int64) {
	if b.hedge == nil {
		return 0, 0
	}
	return b.hedge.Hedges()
}

// logGauges are those of the ledger. What needs a look at every partition takes it under the ledger's read lock, once for all of
// them: some milliseconds with 10,000 partitions.
func (b *Broker) logGauges() {
	m := b.metrics
	m.Gauge("firnlog_log_revision", b.ledgerGauge(func(l *ledger.Ledger) float64 { return float64(l.Revision()) }))
	m.Gauge("firnlog_log_behind_revisions", func() float64 { return float64(b.stream.Behind()) })
	m.Count("firnlog_log_reads_total", func() float64 { return float64(b.stream.Life()) })
	m.Gauge("firnlog_topics", b.ledgerGauge(func(l *ledger.Ledger) float64 { return float64(len(l.Topics())) }))
	m.Gauge("firnlog_partitions", b.ledgerGauge(func(l *ledger.Ledger) (n float64) {
		for _, t := range l.Topics() {
			n += float64(t.Partitions)
		}
		return n
	}))
	m.Gauge("firnlog_partitions_uncovered", b.ledgerGauge(func(l *ledger.Ledger) float64 { return float64(l.Dirty()) }))
	m.Gauge("firnlog_commits_uncovered_revisions", b.ledgerGauge(func(l *ledger.Ledger) float64 {
		return float64(l.Revision() - l.CoveredThrough())
	}))
	m.Gauge("firnlog_floor_behind_seconds", b.ledgerGauge(func(l *ledger.Ledger) float64 {
		if l.Floor() == 0 {
			return 0
		}
		return time.Since(time.UnixMilli(int64(l.Floor()))).Seconds()
	}))
	m.Gauge("firnlog_unsettled_bytes", func() float64 { return float64(b.unsettled().bytes) })
	m.Gauge("firnlog_unsettled_oldest_seconds", func() float64 { return b.unsettled().age.Seconds() })
}

func (b *Broker) ledgerGauge(read func(*ledger.Ledger) float64) func() float64 {
	return func() (v float64) {
		_ = b.stream.View(func(l *ledger.Ledger) { v = read(l) }) // 0 while not ready
		return v
	}
}

// backlog is what settling has before it.
type backlog struct {
	bytes int64
	age   time.Duration
}

// unsettled looks at all partitions.
func (b *Broker) unsettled() (out backlog) {
	_ = b.stream.View(func(l *ledger.Ledger) {
		bytes, oldest := l.Unsettled()
		if out.bytes = bytes; bytes > 0 {
			out.age = max(time.Since(time.UnixMilli(int64(oldest))), 0)
		}
	})
	return out
}

// priced tells the metrics what requests to the object store cost.
func (b *Broker) priced() error {
	prices, err := cost.ReadPrices(cost.BuiltIn())
	if err != nil {
		return err
	}
	class := prices.Classes[cost.BucketClass]
	b.metrics.Price(objectstore.OpPut.String(), class.Put1000/1000)
	b.metrics.Price(objectstore.OpList.String(), class.Put1000/1000)
	b.metrics.Price(objectstore.OpGet.String(), class.Get1000/1000)
	return nil
}

// writes are told of what happens on the write path.
func (b *Broker) writes() ingest.Events {
	return ingest.Events{
		Flushed:  func(f ingest.Flush) { b.metrics.Flush(f.Bytes, f.Batches, f.Records, f.Put, f.Commit, f.Learn) },
		Sealed:   func(why ingest.SealReason) { b.metrics.Sealed(string(why)) },
		Lost:     b.metrics.CommitLost,
		Repeated: b.metrics.CommitRepeated,
		Renamed:  b.metrics.Renamed,
	}
}

func (b *Broker) barriered(took time.Duration, err error) {
	b.metrics.Barrier(took, err)
	b.health.barrier.note(err)
}

func (b *Broker) stepDone(step string, took time.Duration, err error) {
	b.metrics.Step(step, time.Now(), took, err)
}

// kafkaEvents are told of what Kafka clients do.
func (b *Broker) kafkaEvents() wire.Events {
	return wire.Events{
		Answered: func(a wire.Answered) {
			b.clients.Kafka(a.API, errorName(a.Code), a.Took, a.BytesIn, a.BytesOut)
		},
		Connected: b.clients.Connected,
		Failed:    b.clients.Failed,
		Throttled: b.clients.Throttled,
		Trace:     b.Trace,
	}
}

// errorName is Kafka's name of an error code.
func errorName(code int16) string {
	err, _ := kerr.ErrorForCode(code).(*kerr.Error) //nolint:errorlint // it gives nothing else
	if err == nil {
		return "NONE"
	}
	return err.Message
}

// answered is told of what HTTP clients do.
func (b *Broker) answered(a rest.Answered) {
	b.clients.HTTP(a.Route, a.Method, a.Status, a.Took, a.BytesIn, a.BytesOut)
}

// etcdSize is how large etcd's database was at the last look.
type etcdSize struct{ total, used atomic.Int64 }

// sized is a key-value store that knows its size on disk.
type sized interface {
	DatabaseSize(ctx context.Context) (total, used int64, err error)
}

const measureEvery = 30 * time.Second

// measureEtcd asks etcd for its size from time to time. What cannot tell it shows 0.
func (b *Broker) measureEtcd(ctx context.Context) error {
	kv, ok := b.bare.(sized)
	if !ok {
		return nil
	}
	for {
		total, used, err := kv.DatabaseSize(ctx)
		if err != nil {
			total, used = 0, 0
			b.Log.Debug("etcd does not tell the size of its database", "error", err)
		}
		b.etcdSize.total.Store(total)
		b.etcdSize.used.Store(used)
		if err := pause.For(ctx, measureEvery); err != nil {
			return err
		}
	}
}
