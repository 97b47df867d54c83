// Package telemetry makes the logger and the metrics of a program.
//
// Owns: names and kinds of metrics. Does not own: when they change; that is told
// through the functions of Metrics and the collectors given to it.
package telemetry

import (
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// NewLogger writes lines of key=value to w.
func NewLogger(w io.Writer, level string) *slog.Logger {
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		l = slog.LevelInfo
	}
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: l}))
}

// Metrics are all metrics of one instance.
type Metrics struct {
	Registry *prometheus.Registry

	storeRequests *prometheus.CounterVec
	storeErrors   *prometheus.CounterVec
	storeSeconds  *prometheus.HistogramVec
	storeBytes    *prometheus.CounterVec
	kvRequests    *prometheus.CounterVec
	kvErrors      *prometheus.CounterVec
	kvSeconds     *prometheus.HistogramVec
	flushes       prometheus.Counter
	flushBytes    prometheus.Counter
	flushBatches  prometheus.Counter
	flushSeconds  *prometheus.HistogramVec

	settleJobs     *prometheus.CounterVec
	settleBytes    *prometheus.CounterVec
	settleRequests *prometheus.CounterVec
	settleDamaged  prometheus.Counter
	aging          aging
}

// NewMetrics makes them; nothing is global.
func NewMetrics() *Metrics {
	seconds := prometheus.ExponentialBucketsRange(0.0005, 30, 24)
	m := &Metrics{
		Registry:      prometheus.NewRegistry(),
		storeRequests: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "firnlog_store_requests_total", Help: "Requests to the object store, by kind."}, []string{"op"}),
		storeErrors:   prometheus.NewCounterVec(prometheus.CounterOpts{Name: "firnlog_store_errors_total", Help: "Requests to the object store that failed, by kind."}, []string{"op"}),
		storeSeconds:  prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "firnlog_store_request_seconds", Help: "Time of requests to the object store, by kind.", Buckets: seconds}, []string{"op"}),
		storeBytes:    prometheus.NewCounterVec(prometheus.CounterOpts{Name: "firnlog_store_bytes_total", Help: "Bytes to (out) and from (in) the object store."}, []string{"direction"}),
		kvRequests:    prometheus.NewCounterVec(prometheus.CounterOpts{Name: "firnlog_etcd_requests_total", Help: "Requests to etcd, by kind."}, []string{"op"}),
		kvErrors:      prometheus.NewCounterVec(prometheus.CounterOpts{Name: "firnlog_etcd_errors_total", Help: "Requests to etcd that failed, by kind."}, []string{"op"}),
		kvSeconds:     prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "firnlog_etcd_request_seconds", Help: "Time of requests to etcd, by kind.", Buckets: seconds}, []string{"op"}),
		flushes:       prometheus.NewCounter(prometheus.CounterOpts{Name: "firnlog_flushes_total", Help: "Commits that were confirmed."}),
		flushBytes:    prometheus.NewCounter(prometheus.CounterOpts{Name: "firnlog_flush_bytes_total", Help: "Bytes of segments committed."}),
		flushBatches:  prometheus.NewCounter(prometheus.CounterOpts{Name: "firnlog_flush_batches_total", Help: "Record batches committed."}),
		flushSeconds:  prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "firnlog_flush_seconds", Help: "Time of each part of a flush: put, commit, learn.", Buckets: seconds}, []string{"part"}),

		settleJobs:     prometheus.NewCounterVec(prometheus.CounterOpts{Name: "firnlog_settle_jobs_total", Help: "Settling jobs by kind: settle, merge, own, spill."}, []string{"kind"}),
		settleBytes:    prometheus.NewCounterVec(prometheus.CounterOpts{Name: "firnlog_settle_bytes_total", Help: "Bytes that settling read (in) and wrote (out), by kind of job."}, []string{"kind", "direction"}),
		settleRequests: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "firnlog_settle_requests_total", Help: "Requests of settling to the object store, by kind of job."}, []string{"kind", "op"}),
		settleDamaged:  prometheus.NewCounter(prometheus.CounterOpts{Name: "firnlog_settle_damaged_total", Help: "Stretches of partitions that settling could not read."}),
	}
	m.Registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		m.storeRequests, m.storeErrors, m.storeSeconds, m.storeBytes, m.kvRequests, m.kvErrors, m.kvSeconds, m.flushes, m.flushBytes, m.flushBatches, m.flushSeconds,
		m.settleJobs, m.settleBytes, m.settleRequests, m.settleDamaged)
	m.aging = newAging(m.Registry)
	return m
}

// Store notes a request to the object store.
func (m *Metrics) Store(op string, took time.Duration, in, out int64, err error) {
	m.storeRequests.WithLabelValues(op).Inc()
	m.storeSeconds.WithLabelValues(op).Observe(took.Seconds())
	m.storeBytes.WithLabelValues("in").Add(float64(in))
	m.storeBytes.WithLabelValues("out").Add(float64(out))
	if err != nil {
		m.storeErrors.WithLabelValues(op).Inc()
	}
}

// Coordination notes a request to etcd.
func (m *Metrics) Coordination(op string, took time.Duration, err error) {
	m.kvRequests.WithLabelValues(op).Inc()
	m.kvSeconds.WithLabelValues(op).Observe(took.Seconds())
	if err != nil {
		m.kvErrors.WithLabelValues(op).Inc()
	}
}

// Flush notes a confirmed commit.
func (m *Metrics) Flush(bytes int64, batches int, put, commit, learn time.Duration) {
	m.flushes.Inc()
	m.flushBytes.Add(float64(bytes))
	m.flushBatches.Add(float64(batches))
	m.flushSeconds.WithLabelValues("put").Observe(put.Seconds())
	m.flushSeconds.WithLabelValues("commit").Observe(commit.Seconds())
	m.flushSeconds.WithLabelValues("learn").Observe(learn.Seconds())
}

// Gauge adds a gauge that is read when somebody looks.
func (m *Metrics) Gauge(name, help string, read func() float64) {
	m.Registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, read))
}

// Gauges adds gauges with labels, all read when somebody looks: read emits each with the values of its labels.
func (m *Metrics) Gauges(name, help string, labels []string, read func(emit func(v float64, values ...string))) {
	m.Registry.MustRegister(&gauges{prometheus.NewDesc(name, help, labels, nil), read})
}

// gauges is a collector of what read emits.
type gauges struct {
	desc *prometheus.Desc
	read func(emit func(v float64, values ...string))
}

// Describe is prometheus.Collector's.
func (g *gauges) Describe(ch chan<- *prometheus.Desc) { ch <- g.desc }

// Collect is prometheus.Collector's.
func (g *gauges) Collect(ch chan<- prometheus.Metric) {
	g.read(func(v float64, values ...string) {
		for i := range values {
			values[i] = strings.ToValidUTF8(values[i], "\uFFFD") // what is not valid is refused
		}
		ch <- prometheus.MustNewConstMetric(g.desc, prometheus.GaugeValue, v, values...)
	})
}

// Settled notes a job of settling.
func (m *Metrics) Settled(kind string, in, out int64, gets, puts, damaged int) {
	m.settleJobs.WithLabelValues(kind).Inc()
	m.settleBytes.WithLabelValues(kind, "in").Add(float64(in))
	m.settleBytes.WithLabelValues(kind, "out").Add(float64(out))
	m.settleRequests.WithLabelValues(kind, "get").Add(float64(gets))
	m.settleRequests.WithLabelValues(kind, "put").Add(float64(puts))
	m.settleDamaged.Add(float64(damaged))
}
