package infra

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/firnlog/firnlog/core/telemetry"
)

// What is looked at in an expression of Prometheus: not all of its grammar (promtool knows that, in make infra-check), but whether each
// name in it is a metric of the catalog, used as one of its kind, with labels that it has.

// others are metrics that are not ours.
var others = regexp.MustCompile(`^(up|process_(start_time_seconds|resident_memory_bytes|cpu_seconds_total)|go_memstats_heap_inuse_bytes)$`)

var (
	token     = regexp.MustCompile(`"(?:[^"\\]|\\.)*"|\$\{?\w+\}?|[a-zA-Z_:][a-zA-Z0-9_:]*|\d+(?:\.\d+)?[smhd]?|[^\s\w]`)
	word      = regexp.MustCompile(`^[a-zA-Z_:]`)
	functions = strings.Fields("rate increase changes sum max min topk histogram_quantile time label_values")
	operators = strings.Fields("by and or unless on")
	ofTargets = strings.Fields("instance job le")
)

// checkExpression says what is wrong with one.
func checkExpression(text string) (metrics []string, wrong []string) {
	tokens := token.FindAllString(text, -1)
	depth := 0
	labels := map[string]bool{}
	for i := 0; i < len(tokens); i++ {
		t := tokens[i]
		switch {
		case strings.ContainsAny(t[:1], "([{"):
			depth++
		case strings.ContainsAny(t[:1], ")]}"):
			depth--
		case t == "by", t == "on":
			for i += 2; i < len(tokens) && tokens[i] != ")"; i++ {
				labels[tokens[i]] = tokens[i] != ","
			}
		case !word.MatchString(t), slices.Contains(functions, t), slices.Contains(operators, t):
		case slices.Contains(ofTargets, t): // of label_values
		default:
			metrics = append(metrics, t)
			in, has := within(tokens, i), matchers(tokens[i+1:])
			wrong = append(wrong, checkMetric(t, in, has)...)
			i += skip(tokens[i+1:])
		}
		if depth < 0 {
			wrong = append(wrong, "a bracket too many is closed")
		}
	}
	if depth != 0 {
		wrong = append(wrong, "a bracket is not closed")
	}
	delete(labels, ",")
	for l := range labels {
		if !slices.Contains(ofTargets, l) && !anyHas(metrics, l) {
			wrong = append(wrong, fmt.Sprintf("no metric in it has label %s", l))
		}
	}
	return metrics, wrong
}

// within is the function right around a name, "" if there is none.
func within(tokens []string, at int) string {
	if at >= 2 && tokens[at-1] == "(" {
		return tokens[at-2]
	}
	return ""
}

// matchers are the labels in the braces behind a name.
func matchers(rest []string) (out []string) {
	if len(rest) == 0 || rest[0] != "{" {
		return nil
	}
	for i, t := range rest {
		if t == "}" {
			break
		}
		if word.MatchString(t) && i > 0 && (rest[i-1] == "{" || rest[i-1] == ",") {
			out = append(out, t)
		}
	}
	return out
}

// skip is how many tokens those are; their brackets are even.
func skip(rest []string) int {
	if len(rest) > 0 && rest[0] == "{" {
		return slices.Index(rest, "}") + 1
	}
	return 0
}

// row finds a metric of the catalog by a name with a histogram's suffix.
func row(name string) (m telemetry.Metric, suffix string, ok bool) {
	for _, s := range telemetry.Catalog() {
		for _, m := range s.Metrics {
			if rest, is := strings.CutPrefix(name, m.Name); is && (rest == "" || m.Kind == telemetry.Histogram && slices.Contains([]string{"_bucket", "_sum", "_count"}, rest)) {
				return m, rest, true
			}
		}
	}
	return m, "", false
}

func checkMetric(name, in string, labels []string) (wrong []string) {
	if others.MatchString(name) {
		return nil
	}
	m, suffix, ok := row(name)
	if !ok {
		return []string{name + " is no metric of the catalog"}
	}
	counts := m.Kind == telemetry.Counter || m.Kind == telemetry.Histogram && suffix != ""
	if grows := in == "rate" || in == "increase"; grows != counts {
		wrong = append(wrong, fmt.Sprintf("%s is a %s, and %q is around it", name, m.Kind, in))
	}
	for _, l := range labels {
		if !slices.Contains(ofTargets, l) && !has(m, l) {
			wrong = append(wrong, fmt.Sprintf("%s has no label %s", name, l))
		}
	}
	return wrong
}

func has(m telemetry.Metric, label string) bool {
	return slices.ContainsFunc(m.Labels, func(l telemetry.Label) bool { return l.Name == label })
}

func anyHas(metrics []string, label string) bool {
	return slices.ContainsFunc(metrics, func(name string) bool {
		m, _, ok := row(name)
		return ok && has(m, label)
	})
}
