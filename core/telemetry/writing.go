package telemetry

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// writing counts what the write path does, and how it ends where it does not end well.
type writing struct {
	flushes, bytes, batches, records prometheus.Counter
	seconds                          *prometheus.HistogramVec
	size                             prometheus.Histogram
	sealed, lost                     *prometheus.CounterVec
	repeated, renamed                prometheus.Counter
}

func (m *Metrics) newWriting() writing {
	return writing{
		flushes: m.counter("firnlog_flushes_total"), bytes: m.counter("firnlog_flush_bytes_total"), batches: m.counter("firnlog_flush_batches_total"),
		records: m.counter("firnlog_flush_records_total"), seconds: m.histograms("firnlog_flush_seconds", fineSeconds()), size: m.histogram("firnlog_flush_size_bytes", sizes()),
		sealed: m.counters("firnlog_segments_sealed_total"), lost: m.counters("firnlog_commits_lost_total"),
		repeated: m.counter("firnlog_commits_repeated_total"), renamed: m.counter("firnlog_segments_renamed_total"),
	}
}

// Flush notes a confirmed commit.
func (m *Metrics) Flush(bytes int64, batches int, records int64, put, commit, learn time.Duration) {
	w := &m.writing
	w.flushes.Inc()
	w.bytes.Add(float64(bytes))
	w.batches.Add(float64(batches))
	w.records.Add(float64(records))
	w.size.Observe(float64(bytes))
	w.seconds.WithLabelValues("put").Observe(put.Seconds())
	w.seconds.WithLabelValues("commit").Observe(commit.Seconds())
	w.seconds.WithLabelValues("learn").Observe(learn.Seconds())
}

// Sealed notes a segment, and why it was sealed then.
func (m *Metrics) Sealed(reason string) { m.writing.sealed.WithLabelValues(reason).Inc() }

// CommitLost notes a commit that was given up; unknown: it may be there all the same.
func (m *Metrics) CommitLost(unknown bool) {
	outcome := "nothing"
	if unknown {
		outcome = "unknown"
	}
	m.writing.lost.WithLabelValues(outcome).Inc()
}

// CommitRepeated notes one that is tried again.
func (m *Metrics) CommitRepeated() { m.writing.repeated.Inc() }

// Renamed notes segments that were put again under new ids.
func (m *Metrics) Renamed(segments int) { m.writing.renamed.Add(float64(segments)) }
