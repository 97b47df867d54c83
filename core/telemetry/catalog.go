package telemetry

import "slices"

// Kind of a metric, as Prometheus names them.
type Kind string

// The kinds.
const (
	Counter   Kind = "counter"
	Gauge     Kind = "gauge"
	Histogram Kind = "histogram"
)

// Metric is one row of the catalog. Whatever an instance shows stands here, and nothing else: what makes a metric looks it up by its
// name, and docs/METRICS.md, the dashboards and the alerts are held against the same rows.
type Metric struct {
	Name   string
	Kind   Kind
	Help   string
	Labels []Label
}

// Label is a dimension. Bound says what keeps its values few.
type Label struct{ Name, Bound string }

// Section is a part of the catalog.
type Section struct {
	Title   string
	Metrics []Metric
}

// Catalog lists all metrics of an instance, beside those of the Go runtime and of the process.
func Catalog() []Section {
	return slices.Concat(clientSections(), logSections(), storageSections(), upkeepSections(), instanceSections())
}

// find gives a row.
func find(name string) (Metric, bool) {
	for _, s := range Catalog() {
		for _, m := range s.Metrics {
			if m.Name == name {
				return m, true
			}
		}
	}
	return Metric{}, false
}

// labels are the names of its dimensions.
func (m Metric) labels() (out []string) {
	for _, l := range m.Labels {
		out = append(out, l.Name)
	}
	return out
}

// Labels that several metrics have.
func byAPI() Label   { return Label{"api", "Kafka's API keys that are served, some 50"} }
func byOp() Label    { return Label{"op", "kinds of requests, 10 at most"} }
func byTopic() Label { return Label{"topic", seriesBound} }
func byStep() Label  { return Label{"step", "steps of maintenance, some 15"} }

const seriesBound = "at most `--metrics-series` of a metric, the largest; the rest is summed up as `(others)`"
