// Package compare puts brokers side by side: the same client, machine and load, in one run, in rounds that take turns, so that
// whatever else the machine does hits all of them alike. What is shown are medians over rounds and their ratios (make bench).
//
// Owns: the rounds, the sums, docs/BENCHMARKS.md and its diagram. Does not own: the load (bench), the brokers (tests).
package compare

import (
	"math"
	"slices"

	"github.com/twmb/franz-go/pkg/kversion"

	"github.com/firnlog/firnlog/bench"
)

// Contender is one broker.
type Contender struct {
	Name    string
	Note    string // how it was started
	Kafka   string // HOST:PORT
	Watched bench.Watched
	// Versions that clients use at most; nil: their own.
	Versions *kversion.Versions

	Idle    int64   // bytes of memory before any load
	Speed   float64 // bytes a second, as the warm-up found
	Results map[string][]*bench.Result
	Failed  map[string]string // task → why there is no result
}

// Task is a workload with so many partitions.
type Task struct {
	Workload   string
	Partitions int
	Share      float64 // of the time that one task has
}

// Tasks of one round, in this order: catchup reads what the task before wrote.
func Tasks() []Task {
	return []Task{
		{bench.WorkProduce, 12, 1}, {bench.WorkCatchUp, 12, 1}, {bench.WorkTail, 12, 1}, {bench.WorkLatency, 12, 1},
		{bench.WorkProduce, 1, 0.5}, {bench.WorkProduce, 100, 0.5}, {bench.WorkProduce, 1000, 0.5},
	}
}

// Metric is a number of a result.
type Metric struct {
	Name   string
	Of     func(*bench.Result) float64 // NaN: not measured
	Digits int
}

const mib = 1 << 20

func speed() Metric {
	return Metric{"MiB/s", func(r *bench.Result) float64 { return r.BytesPerSecond() / mib }, 1}
}

func cpu() Metric {
	return Metric{"broker CPU, s/GiB in + out", func(r *bench.Result) float64 { return positive(r.CPUPerGiB) }, 2}
}

func of(name string, l func(*bench.Result) *bench.Latency, v func(*bench.Latency) float64) Metric {
	return Metric{name, func(r *bench.Result) float64 {
		if all := l(r); all != nil {
			return v(all)
		}
		return math.NaN()
	}, 1}
}

func positive(v float64) float64 {
	if v <= 0 {
		return math.NaN()
	}
	return v
}

// metrics of a task.
func (t Task) metrics() []Metric {
	if t.Workload != bench.WorkLatency {
		out := []Metric{speed(), cpu()}
		if t.Workload == bench.WorkProduce {
			out = append(out, Metric{"PUTs per GiB", puts, 0})
		}
		return out
	}
	produce := func(r *bench.Result) *bench.Latency { return r.Produce }
	whole := func(r *bench.Result) *bench.Latency { return r.EndToEnd }
	p50, p99, p999 := func(l *bench.Latency) float64 { return l.P50 }, func(l *bench.Latency) float64 { return l.P99 }, func(l *bench.Latency) float64 { return l.P999 }
	return []Metric{
		of("produce p50, ms", produce, p50), of("produce p99, ms", produce, p99), of("produce p99.9, ms", produce, p999),
		of("end to end p50, ms", whole, p50), of("end to end p99, ms", whole, p99), of("end to end p99.9, ms", whole, p999),
	}
}

func puts(r *bench.Result) float64 {
	if r.Requests == nil {
		return math.NaN()
	}
	return r.Requests.Put / (float64(r.Bytes) / (1 << 30))
}

// median over the rounds of a contender; NaN: none.
func (c *Contender) median(t Task, m Metric) float64 {
	var all []float64
	for _, r := range c.Results[t.name()] {
		if v := m.Of(r); !math.IsNaN(v) {
			all = append(all, v)
		}
	}
	if len(all) == 0 {
		return math.NaN()
	}
	slices.Sort(all)
	return (all[(len(all)-1)/2] + all[len(all)/2]) / 2
}

// full is the most memory it ever had.
func (c *Contender) full() (most int64) {
	for _, rounds := range c.Results {
		for _, r := range rounds {
			most = max(most, r.MemoryPeak)
		}
	}
	return most
}
