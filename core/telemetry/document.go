package telemetry

import (
	"fmt"
	"strings"
)

// Document is docs/METRICS.md.
func Document() string {
	var b strings.Builder
	b.WriteString(`# Metrics

Written from ` + "`core/telemetry`" + ` by ` + "`make docs-metrics`" + `; a test fails when it is not what the code says.

` + "`GET /metrics`" + ` on the HTTP address of a broker shows these in the text format of Prometheus, and beside them ` + "`go_*` and `process_*`" + ` of the Go client. Functions write
CloudWatch's embedded metric format instead (docs/SERVERLESS.md). Dashboards are in infra/grafana, alerts in infra/prometheus/alerts.yaml; what to do about each stands in docs/OPERATIONS.md.

**Labels are bounded.** No label is text that a client chose, but names of topics and groups. Of a metric with those at most ` + "`--metrics-series`" + ` (1000) series are shown: the largest ones; all others are
summed up under the name ` + "`(others)`" + `, and ` + "`firnlog_metrics_folded_series`" + ` says how many these are. ` + "`--metrics-series 0`" + ` leaves them out altogether.
Counters with labels are not there before they have counted: an expression on a rare error is empty, not 0.
`)
	for _, s := range Catalog() {
		fmt.Fprintf(&b, "\n## %s\n\n| metric | kind | what | labels |\n|---|---|---|---|\n", s.Title)
		for _, m := range s.Metrics {
			var labels []string
			for _, l := range m.Labels {
				labels = append(labels, fmt.Sprintf("`%s`: %s", l.Name, l.Bound))
			}
			fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", m.Name, m.Kind, m.Help, strings.Join(labels, "; "))
		}
	}
	return b.String()
}
