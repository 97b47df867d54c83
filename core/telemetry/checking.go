package telemetry

import "github.com/prometheus/client_golang/prometheus"

// Checking counts what scrub reads and finds.
type Checking struct {
	bytes    prometheus.Counter
	findings *prometheus.CounterVec
}

// NewChecking adds its counters.
func (m *Metrics) NewChecking() *Checking {
	return &Checking{m.counter("firnlog_scrub_bytes_total"), m.counters("firnlog_scrub_findings_total")}
}

// Read notes bytes that were checked.
func (c *Checking) Read(bytes int64) { c.bytes.Add(float64(bytes)) }

// Found notes a finding.
func (c *Checking) Found(kind string) { c.findings.WithLabelValues(kind).Inc() }
