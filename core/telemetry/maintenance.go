package telemetry

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Maintenance counts the steps of upkeep, and what settling does.
type Maintenance struct {
	steps    *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	jobs     *prometheus.CounterVec
	bytes    *prometheus.CounterVec
	requests *prometheus.CounterVec
	damaged  prometheus.Counter
	mu       struct {
		sync.Mutex
		done map[string]time.Time
	}
}

func (m *Metrics) newMaintenance() *Maintenance {
	a := &Maintenance{
		steps: m.counters("firnlog_upkeep_steps_total"), seconds: m.histograms("firnlog_upkeep_step_seconds", coarseSeconds()),
		jobs: m.counters("firnlog_settle_jobs_total"), bytes: m.counters("firnlog_settle_bytes_total"),
		requests: m.counters("firnlog_settle_requests_total"), damaged: m.counter("firnlog_settle_damaged_total"),
	}
	a.mu.done = map[string]time.Time{}
	m.Gauges("firnlog_upkeep_last_done_timestamp_seconds", func(emit func(v float64, values ...string)) {
		a.mu.Lock()
		defer a.mu.Unlock()
		for step, at := range a.mu.done {
			emit(float64(at.UnixMilli())/1000, step)
		}
	})
	return a
}

// Step notes a step of maintenance that ended now.
func (m *Metrics) Step(name string, now time.Time, took time.Duration, err error) {
	a := m.maintenance
	outcome := "done"
	if err != nil {
		outcome = "failed"
	}
	a.steps.WithLabelValues(name, outcome).Inc()
	a.seconds.WithLabelValues(name).Observe(took.Seconds())
	if err == nil {
		a.mu.Lock()
		a.mu.done[name] = now
		a.mu.Unlock()
	}
}

// Settled notes a job of settling.
func (m *Metrics) Settled(kind string, in, out int64, gets, puts, damaged int) {
	a := m.maintenance
	a.jobs.WithLabelValues(kind).Inc()
	a.bytes.WithLabelValues(kind, "in").Add(float64(in))
	a.bytes.WithLabelValues(kind, "out").Add(float64(out))
	a.requests.WithLabelValues(kind, "get").Add(float64(gets))
	a.requests.WithLabelValues(kind, "put").Add(float64(puts))
	a.damaged.Add(float64(damaged))
}
