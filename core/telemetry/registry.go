package telemetry

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

// row gives the catalog's row; a name that is not in it, or of another kind, is a mistake in this program that every test of a broker finds.
func row(name string, kind Kind) Metric {
	m, ok := find(name)
	if !ok || m.Kind != kind {
		panic(fmt.Sprintf("telemetry: the catalog has no %s %s", kind, name))
	}
	return m
}

func (m *Metrics) counter(name string) prometheus.Counter {
	c := prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: row(name, Counter).Help})
	m.Registry.MustRegister(c)
	return c
}

func (m *Metrics) counters(name string) *prometheus.CounterVec {
	r := row(name, Counter)
	c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: r.Help}, r.labels())
	m.Registry.MustRegister(c)
	return c
}

func (m *Metrics) histogram(name string, buckets []float64) prometheus.Histogram {
	h := prometheus.NewHistogram(prometheus.HistogramOpts{Name: name, Help: row(name, Histogram).Help, Buckets: buckets})
	m.Registry.MustRegister(h)
	return h
}

func (m *Metrics) histograms(name string, buckets []float64) *prometheus.HistogramVec {
	r := row(name, Histogram)
	h := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: r.Help, Buckets: buckets}, r.labels())
	m.Registry.MustRegister(h)
	return h
}

// Gauge adds a gauge that is read when somebody looks.
func (m *Metrics) Gauge(name string, read func() float64) {
	m.Registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: row(name, Gauge).Help}, read))
}

// Count adds a counter that somebody else keeps.
func (m *Metrics) Count(name string, read func() float64) {
	m.Registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: row(name, Counter).Help}, read))
}

// Buckets of histograms, in seconds and bytes.
func fineSeconds() []float64   { return prometheus.ExponentialBucketsRange(0.0005, 30, 24) }
func coarseSeconds() []float64 { return prometheus.ExponentialBucketsRange(0.001, 60, 15) }
func sizes() []float64         { return prometheus.ExponentialBuckets(4<<10, 4, 8) } // to 64 MiB
