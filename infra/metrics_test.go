package infra

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/firnlog/firnlog/core/telemetry"
)

type alert struct {
	Alert       string
	Expr        string
	For         string
	Labels      map[string]string
	Annotations map[string]string
}

func alerts(t *testing.T) (out []alert) {
	t.Helper()
	text, err := os.ReadFile("prometheus/alerts.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Groups []struct{ Rules []alert } }
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	for _, g := range file.Groups {
		out = append(out, g.Rules...)
	}
	return out
}

func TestAlerts_AskForMetricsThatThereAre(t *testing.T) {
	all := alerts(t)
	for _, a := range all {
		metrics, wrong := checkExpression(a.Expr)
		if len(wrong) > 0 || len(metrics) == 0 {
			t.Errorf("%s: %v", a.Alert, wrong)
		}
		if !slices.Contains([]string{"page", "warn", "info"}, a.Labels["severity"]) || a.Annotations["summary"] == "" {
			t.Errorf("%s: %v %v", a.Alert, a.Labels, a.Annotations)
		}
	}
	if len(all) < 30 {
		t.Errorf("%d alerts", len(all))
	}
}

// mentioned finds names of metrics in a text.
var mentioned = regexp.MustCompile("`(firnlog_\\w+)")

func TestAlerts_AndTheFailureTableOfTheDocsAreOfOneMind(t *testing.T) {
	text, err := os.ReadFile("../docs/OPERATIONS.md")
	if err != nil {
		t.Fatal(err)
	}
	docs := string(text)
	rows := map[string]string{} // by anchor
	for _, m := range regexp.MustCompile(`(?m)^\| <a id="(\w+)"></a>.*$`).FindAllStringSubmatch(docs, -1) {
		rows[m[1]] = m[0]
	}
	for _, a := range alerts(t) {
		anchor, ok := strings.CutPrefix(a.Annotations["runbook"], "docs/OPERATIONS.md#")
		line := rows[anchor]
		delete(rows, anchor)
		if !ok || !strings.Contains(line, "`"+a.Alert+"`") || strings.Count(line, " | ") != 3 {
			t.Errorf("%s: its row is %q", a.Alert, line)
		}
		metrics, _ := checkExpression(a.Expr)
		for _, name := range metrics {
			if m, _, ok := row(name); ok && !strings.Contains(line, "`"+m.Name+"`") {
				t.Errorf("%s: its row does not name %s", a.Alert, m.Name)
			}
		}
	}
	if len(rows) > 0 {
		t.Errorf("rows without an alert: %v", rows)
	}
	for _, m := range mentioned.FindAllStringSubmatch(docs, -1) {
		if _, _, ok := row(m[1]); !ok {
			t.Errorf("docs/OPERATIONS.md speaks of %s, which is no metric", m[1])
		}
	}
	checkAnchors(t, docs)
}

// checkAnchors follows the links of the page to itself.
func checkAnchors(t *testing.T, docs string) {
	t.Helper()
	known := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^#+ (.*)$`).FindAllStringSubmatch(docs, -1) {
		known[regexp.MustCompile(`[^a-z0-9 -]`).ReplaceAllString(strings.ToLower(m[1]), "")] = true
	}
	for _, m := range regexp.MustCompile(`\]\(#([^)]*)\)`).FindAllStringSubmatch(docs, -1) {
		if !known[strings.ReplaceAll(m[1], "-", " ")] {
			t.Errorf("docs/OPERATIONS.md links to #%s, which is no heading", m[1])
		}
	}
}

// board is what is looked at of a dashboard.
type board struct {
	UID    string
	Title  string
	Panels []struct {
		ID      int
		Title   string
		GridPos struct{ X, Y, W, H int }
		Targets []struct{ Expr, LegendFormat string }
	}
	Templating struct {
		List []struct{ Name, Type, Query string }
	}
}

func TestDashboards_ShowMetricsThatThereAreAndLeaveNoneOut(t *testing.T) {
	files, _ := filepath.Glob("grafana/*.json")
	shown, uids := map[string]bool{}, map[string]bool{}
	for _, file := range files {
		text, _ := os.ReadFile(file)
		var b board
		if err := json.Unmarshal(text, &b); err != nil || uids[b.UID] || len(b.Panels) == 0 {
			t.Fatalf("%s: %v, uid %q", file, err, b.UID)
		}
		uids[b.UID] = true
		ids := map[int]bool{}
		for _, p := range b.Panels {
			if ids[p.ID] || p.GridPos.X+p.GridPos.W > 24 || p.Title == "" || len(p.Targets) == 0 {
				t.Errorf("%s: panel %d %q at %+v", file, p.ID, p.Title, p.GridPos)
			}
			ids[p.ID] = true
			for _, target := range p.Targets {
				metrics, wrong := checkExpression(target.Expr)
				if len(wrong) > 0 || len(metrics) == 0 {
					t.Errorf("%s: %s: %s: %v", file, p.Title, target.Expr, wrong)
				}
				for _, name := range metrics {
					m, _, _ := row(name)
					shown[m.Name] = true
				}
			}
		}
		for _, v := range b.Templating.List {
			if _, wrong := checkExpression(v.Query); v.Type == "query" && len(wrong) > 0 {
				t.Errorf("%s: variable %s: %v", file, v.Name, wrong)
			}
		}
	}
	for _, a := range alerts(t) {
		metrics, _ := checkExpression(a.Expr)
		for _, name := range metrics {
			m, _, _ := row(name)
			shown[m.Name] = true
		}
	}
	for _, s := range telemetry.Catalog() {
		for _, m := range s.Metrics {
			if !shown[m.Name] && !slices.Contains(notShown(), m.Name) {
				t.Errorf("%s is on no dashboard and in no alert: who would look at it?", m.Name)
			}
		}
	}
}

// notShown are for looking into something by hand, or for firnlog cost.
func notShown() []string {
	return strings.Fields(`firnlog_log_revision firnlog_topics firnlog_partitions firnlog_commits_uncovered_revisions firnlog_build_info firnlog_metrics_folded_series firnlog_retention_overdue_partitions
		firnlog_settle_jobs_total firnlog_settle_requests_total firnlog_settle_damaged_total firnlog_compact_read_bytes_total firnlog_compact_dropped_records_total
		firnlog_http_request_bytes_total firnlog_http_response_bytes_total`)
}

func TestExpression_FindsWhatIsWrong(t *testing.T) {
	for _, text := range []string{
		`rate(firnlog_flushes_totals[5m])`, `firnlog_flushes_total > 1`, `rate(firnlog_topics[5m])`, `sum(rate(firnlog_flushes_total[5m])`, `firnlog_ready{port="etcd"} == 0`,
		`sum by (apis) (rate(firnlog_kafka_requests_total[5m]))`, `firnlog_flush_seconds > 1 or rate(firnlog_flush_bucket[5m])`, `histogram_quantil(0.9, firnlog_topics)`, `max(firnlog_topics))`,
	} {
		if _, wrong := checkExpression(text); len(wrong) == 0 {
			t.Errorf("%s is found right", text)
		}
	}
}
