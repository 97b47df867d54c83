// Package telemetry makes the logger and the metrics of a program.
//
// Owns: names and kinds of metrics (catalog.go), what bounds their series and the lines of a log. Does not own: when they change;
// that is told through the functions of Metrics and the collectors given to it.
package telemetry

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// Metrics are all metrics of one instance.
type Metrics struct {
	Registry *prometheus.Registry
	// SeriesMax bounds what metrics with names of topics and groups may show.
	SeriesMax int

	folded      *folded
	store       requests
	kv          requests
	storeBytes  *prometheus.CounterVec
	storeCost   *prometheus.CounterVec
	prices      map[string]float64
	conflicts   prometheus.Counter
	writing     writing
	aging       aging
	maintenance *Maintenance
	barriers    prometheus.Histogram
	barred      prometheus.Counter
}

// requests are those to one of the two that an instance depends on.
type requests struct {
	total, errors *prometheus.CounterVec
	seconds       *prometheus.HistogramVec
}

// NewMetrics makes them; nothing is global.
func NewMetrics(seriesMax int) *Metrics {
	m := &Metrics{Registry: prometheus.NewRegistry(), SeriesMax: seriesMax, folded: newFolded(), prices: map[string]float64{}}
	m.Registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), m.folded)
	m.store = requests{m.counters("firnlog_store_requests_total"), m.counters("firnlog_store_errors_total"), m.histograms("firnlog_store_request_seconds", fineSeconds())}
	m.kv = requests{m.counters("firnlog_etcd_requests_total"), m.counters("firnlog_etcd_errors_total"), m.histograms("firnlog_etcd_request_seconds", fineSeconds())}
	m.storeBytes, m.storeCost = m.counters("firnlog_store_bytes_total"), m.counters("firnlog_store_dollars_total")
	m.conflicts = m.counter("firnlog_etcd_conflicts_total")
	m.writing, m.aging, m.maintenance = m.newWriting(), m.newAging(), m.newMaintenance()
	m.barriers, m.barred = m.histogram("firnlog_barrier_seconds", fineSeconds()), m.counter("firnlog_barriers_failed_total")
	return m
}

// Price says what a request of a kind costs, in dollars. It is called before anything is counted.
func (m *Metrics) Price(op string, dollars float64) { m.prices[op] = dollars }

// Store notes a request to the object store.
func (m *Metrics) Store(op string, took time.Duration, in, out int64, err error) {
	m.store.note(op, took, err)
	m.storeBytes.WithLabelValues("in").Add(float64(in))
	m.storeBytes.WithLabelValues("out").Add(float64(out))
	m.storeCost.WithLabelValues(op).Add(m.prices[op])
}

// Coordination notes a request to etcd; refused: a guard did not hold.
func (m *Metrics) Coordination(op string, took time.Duration, refused bool, err error) {
	m.kv.note(op, took, err)
	if refused {
		m.conflicts.Inc()
	}
}

func (r *requests) note(op string, took time.Duration, err error) {
	r.total.WithLabelValues(op).Inc()
	r.seconds.WithLabelValues(op).Observe(took.Seconds())
	if err != nil {
		r.errors.WithLabelValues(op).Inc()
	}
}

// Barrier notes a round of the stream's barrier.
func (m *Metrics) Barrier(took time.Duration, err error) {
	m.barriers.Observe(took.Seconds())
	if err != nil {
		m.barred.Inc()
	}
}
