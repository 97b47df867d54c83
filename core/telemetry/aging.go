package telemetry

import "github.com/prometheus/client_golang/prometheus"

// aging counts what becomes of old records.
type aging struct {
	compactRead, compactWritten, compactDropped, chilled prometheus.Counter
}

func (m *Metrics) newAging() aging {
	return aging{
		compactRead: m.counter("firnlog_compact_read_bytes_total"), compactWritten: m.counter("firnlog_compact_written_bytes_total"),
		compactDropped: m.counter("firnlog_compact_dropped_records_total"), chilled: m.counter("firnlog_cold_moved_bytes_total"),
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
