package telemetry

import "github.com/prometheus/client_golang/prometheus"

// Checking counts what scrub reads and finds.
type Checking struct {
	bytes    prometheus.Counter
	findings *prometheus.CounterVec
}

// NewChecking adds its counters.
func (m *Metrics) NewChecking() *Checking {
	c := &Checking{
		bytes:    prometheus.NewCounter(prometheus.CounterOpts{Name: "firnlog_scrub_bytes_total", Help: "Bytes of record batches that scrub has read and checked."}),
		findings: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "firnlog_scrub_findings_total", Help: "What scrub has found damaged, by kind; what stays damaged is found again each round."}, []string{"kind"}),
	}
	m.Registry.MustRegister(c.bytes, c.findings)
	return c
}

// Read notes bytes that were checked.
func (c *Checking) Read(bytes int64) { c.bytes.Add(float64(bytes)) }

// Found notes a finding.
func (c *Checking) Found(kind string) { c.findings.WithLabelValues(kind).Inc() }
