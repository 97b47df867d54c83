//go:build stack

package goals

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/firnlog/firnlog/bench"
	"github.com/firnlog/firnlog/core/cost"
)

// month is a twelfth of a year.
const month = 730 * time.Hour

// latencies at a low rate on models of S3.
func latencies(t *testing.T, table *Table) {
	t.Helper()
	prices, err := cost.ReadPrices(cost.BuiltIn())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		what, query      string
		args             []string
		config           map[string]string
		produce, through float64 // goals, ms; 0: none
	}{
		{"s3-standard, linger as by default", "?model=s3-standard", nil, nil, 350, 450},
		{"s3-standard, linger 180 ms", "?model=s3-standard", []string{"--linger", "180ms"}, nil, 350, 450},
		{"s3-standard, linger 130 ms", "?model=s3-standard", []string{"--linger", "130ms"}, nil, 350, 450},
		{"s3-standard, linger 100 ms", "?model=s3-standard", []string{"--linger", "100ms"}, nil, 350, 450},
		{"s3-standard, linger 60 ms", "?model=s3-standard", []string{"--linger", "60ms"}, nil, 350, 450},
		{"s3-express, flush.ms=25", "?model=s3-express", nil, map[string]string{"flush.ms": "25"}, 50, 0},
	} {
		const rate = 1000
		n := onFile(t, c.query, c.args...)
		w := load(n.Kafka, "goal-latency", 12, int64(*seconds)*rate*valueBytes)
		w.Rate, w.Config = rate, c.config
		r, _ := run(t, w, bench.WorkLatency, n.watched(), n.servers...)
		n.Kill()
		table.AtMost("produce p99, "+c.what, c.produce, r.Produce.P99, "%.0f ms")
		if c.through > 0 {
			table.AtMost("end to end p99, "+c.what, c.through, r.EndToEnd.P99, "%.0f ms")
		} else {
			table.Note("end to end p99, "+c.what, "%.0f ms", r.EndToEnd.P99)
		}
		puts := r.Requests.Put / r.Seconds
		table.Note("produce and end to end p50; PUTs a second, and dollars for a month of them", "%.0f ms, %.0f ms; %.1f, $%.0f",
			r.Produce.P50, r.EndToEnd.P50, puts, prices.Requests(&cost.Requests{Put: puts * month.Seconds()}))
		t.Logf("%s: produce p99 %.0f ms", c.what, r.Produce.P99)
	}
}

// memory of a process, in MiB.
type memory struct {
	now, peak float64
	err       error
}

// idleMemory starts a broker that nobody uses, and gives its memory when it is due, while other things may be measured.
func idleMemory(t *testing.T) <-chan memory {
	t.Helper()
	out := make(chan memory, 1)
	if !wanted("memory") {
		return out
	}
	n := onMinIO(t)
	pid := n.Pid()
	time.AfterFunc(*idleFor, func() {
		m := memoryOf(pid)
		out <- m
	})
	return out
}

func memoryOf(pid int) (m memory) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return memory{err: err}
	}
	for line := range strings.Lines(string(status)) {
		name, rest, _ := strings.Cut(line, ":")
		if name != "VmRSS" && name != "VmHWM" {
			continue
		}
		kib, err := strconv.ParseFloat(strings.Fields(rest)[0], 64)
		if err != nil {
			return memory{err: err}
		}
		if name == "VmRSS" {
			m.now = kib / 1024
		} else {
			m.peak = kib / 1024
		}
	}
	return m
}

func addIdle(t *testing.T, table *Table, m memory) {
	t.Helper()
	if m.err != nil {
		t.Fatal(m.err)
	}
	table.AtMost(fmt.Sprintf("resident memory of an idle broker on MinIO, %v after its start (VmRSS)", *idleFor), 40, m.now, "%.1f MiB")
	table.Note("its peak since the start (VmHWM)", "%.1f MiB", m.peak)
}

// fullMemory reads as well as it writes, and takes the peak of all that the brokers have had to do so far.
func fullMemory(t *testing.T, table *Table, nodes []*node, size int64) {
	t.Helper()
	for _, n := range nodes {
		run(t, load(n.Kafka, "goal-tail", 12, size), bench.WorkTail, n.watched(), n.servers...)
		m := memoryOf(n.Pid())
		if m.err != nil {
			t.Fatal(m.err)
		}
		table.AtMost("peak of resident memory at full load, in and out, on "+n.what, 512, m.peak, "%.0f MiB")
	}
}
