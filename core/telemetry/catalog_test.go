package telemetry

import (
	"flag"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write docs/METRICS.md")

func TestDocument_IsWhatTheDocsHave(t *testing.T) {
	const path = "../../docs/METRICS.md"
	if *update {
		if err := os.WriteFile(path, []byte(Document()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil || string(got) != Document() {
		t.Errorf("docs/METRICS.md is not what the code says: make docs-metrics (%v)", err)
	}
}

func TestCatalog_NamesFollowPrometheus(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range Catalog() {
		for _, m := range s.Metrics {
			name, total := strings.CutSuffix(m.Name, "_total")
			switch {
			case seen[m.Name]:
				t.Errorf("%s is there twice", m.Name)
			case !strings.HasPrefix(m.Name, "firnlog_"), strings.ToLower(m.Name) != m.Name:
				t.Errorf("%s: want firnlog_ and lower case", m.Name)
			case total != (m.Kind == Counter):
				t.Errorf("%s: counters alone end in _total", m.Name)
			case m.Kind == Histogram && !strings.HasSuffix(name, "_seconds") && !strings.HasSuffix(name, "_bytes"):
				t.Errorf("%s: want a unit", m.Name)
			case m.Help == "" || !strings.HasSuffix(m.Help, "."):
				t.Errorf("%s: want a sentence", m.Name)
			}
			for _, bad := range []string{"_ms", "_milliseconds", "_count", "_kb", "_mb", "_percent"} {
				if strings.HasSuffix(name, bad) {
					t.Errorf("%s: want base units", m.Name)
				}
			}
			for _, l := range m.Labels {
				if l.Name == "" || l.Bound == "" {
					t.Errorf("%s: label %q without a bound", m.Name, l.Name)
				}
			}
			seen[m.Name] = true
		}
	}
}

func TestGauges_ShowTheLargestAndTheSumOfTheRest(t *testing.T) {
	for _, c := range []struct {
		most int
		want map[string]float64
		rest float64
	}{
		{10, map[string]float64{"a": 5, "b": 9, "c": 1, "d": 2}, 0},
		{2, map[string]float64{"b": 9, "a": 5, Others: 3}, 2},
		{0, map[string]float64{}, 4},
	} {
		m := NewMetrics(c.most)
		m.Gauges("firnlog_topic_storage_dollars", func(emit func(v float64, values ...string)) {
			emit(5, "a")
			emit(9, "b")
			emit(1, "c")
			emit(2, "d")
		})
		got, rest := gather(t, m)
		if len(got) != len(c.want) || rest != c.rest {
			t.Errorf("at most %d: %v, %v folded; want %v, %v", c.most, got, rest, c.want, c.rest)
		}
		for topic, v := range c.want {
			if got[topic] != v {
				t.Errorf("at most %d: %s is %v, want %v", c.most, topic, got[topic], v)
			}
		}
	}
}

// gather scrapes twice: how much was folded is of the scrape before, or of this one.
func gather(t *testing.T, m *Metrics) (series map[string]float64, folded float64) {
	t.Helper()
	for range 2 {
		families, err := m.Registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		series = map[string]float64{}
		for _, f := range families {
			for _, s := range f.GetMetric() {
				switch f.GetName() {
				case "firnlog_topic_storage_dollars":
					series[s.GetLabel()[0].GetValue()] = s.GetGauge().GetValue()
				case "firnlog_metrics_folded_series":
					folded = s.GetGauge().GetValue()
				}
			}
		}
	}
	return series, folded
}
