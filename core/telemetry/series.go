package telemetry

import (
	"cmp"
	"slices"
	"strings"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
)

// Others stands for all series of a metric beyond those that are shown. No topic may have this name.
const Others = "(others)"

// Gauges adds gauges with labels, all read when somebody looks: read emits each with the values of its labels. Of those whose labels
// clients can make up, no more than SeriesMax are shown: the largest, and the sum of the rest.
func (m *Metrics) Gauges(name string, read func(emit func(v float64, values ...string))) {
	r := row(name, Gauge)
	bound := -1
	for _, l := range r.Labels {
		if l.Bound == seriesBound {
			bound = m.SeriesMax
		}
	}
	m.Registry.MustRegister(&gauges{m.folded, name, prometheus.NewDesc(name, r.Help, r.labels(), nil), read, bound})
}

// gauges is a collector of what read emits.
type gauges struct {
	folded *folded
	name   string
	desc   *prometheus.Desc
	read   func(emit func(v float64, values ...string))
	bound  int // -1: none
}

type series struct {
	v      float64
	values []string
}

// Describe is prometheus.Collector's.
func (g *gauges) Describe(ch chan<- *prometheus.Desc) { ch <- g.desc }

// Collect is prometheus.Collector's.
func (g *gauges) Collect(ch chan<- prometheus.Metric) {
	var all []series
	g.read(func(v float64, values ...string) {
		for i := range values {
			values[i] = strings.ToValidUTF8(values[i], "\uFFFD") // what is not valid is refused
		}
		all = append(all, series{v, slices.Clone(values)})
	})
	if g.bound >= 0 {
		var rest int
		all, rest = fold(all, g.bound)
		g.folded.note(g.name, rest)
	}
	for _, s := range all {
		ch <- prometheus.MustNewConstMetric(g.desc, prometheus.GaugeValue, s.v, s.values...)
	}
}

// fold keeps the largest, and sums up the rest.
func fold(all []series, most int) (kept []series, rest int) {
	if len(all) <= most {
		return all, 0
	}
	slices.SortFunc(all, func(a, b series) int {
		return cmp.Or(cmp.Compare(b.v, a.v), slices.Compare(a.values, b.values))
	})
	if most == 0 {
		return nil, len(all)
	}
	others := series{values: make([]string, len(all[0].values))}
	for i := range others.values {
		others.values[i] = Others
	}
	for _, s := range all[most:] {
		others.v += s.v
	}
	return append(all[:most:most], others), len(all) - most
}

// folded is how many series were summed up, by metric.
type folded struct {
	mu struct {
		sync.Mutex
		by map[string]int
	}
	desc *prometheus.Desc
}

func newFolded() *folded {
	const name = "firnlog_metrics_folded_series"
	r := row(name, Gauge)
	f := &folded{desc: prometheus.NewDesc(name, r.Help, r.labels(), nil)}
	f.mu.by = map[string]int{}
	return f
}

func (f *folded) note(metric string, n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.mu.by[metric] = n
}

// Describe is prometheus.Collector's.
func (f *folded) Describe(ch chan<- *prometheus.Desc) { ch <- f.desc }

// Collect is prometheus.Collector's.
func (f *folded) Collect(ch chan<- prometheus.Metric) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for metric, n := range f.mu.by {
		ch <- prometheus.MustNewConstMetric(f.desc, prometheus.GaugeValue, float64(n), metric)
	}
}
