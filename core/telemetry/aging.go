package telemetry

import "github.com/prometheus/client_golang/prometheus"

// aging counts what becomes of old records.
type aging struct {
	compactRead, compactWritten, compactDropped, chilled prometheus.Counter
}

func newAging(registry *prometheus.Registry) aging {
	counter := func(name, help string) prometheus.Counter {
		c := prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
		registry.MustRegister(c)
		return c
	}
	return aging{
		compactRead:    counter("firnlog_compact_read_bytes_total", "Bytes of record batches that log compaction looked at to rewrite them."),
		compactWritten: counter("firnlog_compact_written_bytes_total", "Bytes of objects that log compaction wrote."),
		compactDropped: counter("firnlog_compact_dropped_records_total", "Records that log compaction left out."),
		chilled:        counter("firnlog_cold_moved_bytes_total", "Bytes of record batches moved to cold storage."),
	}
}

// Compaction notes a pass of log compaction.
func (m *Metrics) Compaction(read, written, dropped int64) {
	m.aging.compactRead.Add(float64(read))
	m.aging.compactWritten.Add(float64(written))
	m.aging.compactDropped.Add(float64(dropped))
}

// Chilled notes what was moved to cold storage.
func (m *Metrics) Chilled(bytes int64) { m.aging.chilled.Add(float64(bytes)) }
