package cost_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/firnlog/firnlog/core/cost"
)

// The assumptions of docs/SERVERLESS.md, "What it costs".
var (
	invocation = cost.Invocation{Base: 0.060, PerMessage: 0.00003, GiB: 0.5}
	task       = cost.Task{CPU: 0.25, GiB: 1}
)

func planned() []struct {
	name string
	way  cost.Way
} {
	const window, payload, overhead = 5, 6e6, 600
	return []struct {
		name string
		way  cost.Way
	}{
		{"function, a message a request", cost.Function(invocation, 1, 1)},
		{"function, batches of 100", cost.Function(invocation, 100, 1)},
		{"function, batches of 1,000", cost.Function(invocation, 1000, 1)},
		{"queue and function, 5 s", cost.Queue(invocation, window, payload, overhead)},
		{"2 brokers, linger 250 ms", cost.Brokers(2, task, 0.25)},
		{"2 brokers, linger 1 s", cost.Brokers(2, task, 1)},
	}
}

func TestPlans_AreWhatOneReckonsByHand(t *testing.T) {
	p := prices(t)
	second := cost.Load{PerSecond: 1, Bytes: 1024}
	month := 2629800.0
	for name, c := range map[string]struct{ got, want float64 }{
		"one a request":       {cost.Function(invocation, 1, 1)(p, second), month * (0.2e-6 + 0.06003*0.5*0.0000133334 + 5e-6)},
		"no batch comes up":   {cost.Function(invocation, 1000, 1)(p, second), month * (0.2e-6 + 0.06003*0.5*0.0000133334 + 5e-6)},
		"batches of 100":      {cost.Function(invocation, 100, 1)(p, cost.Load{PerSecond: 100, Bytes: 1024}), month * (0.2e-6 + 0.063*0.5*0.0000133334 + 5e-6)},
		"a queue of 5 s":      {cost.Queue(invocation, 5, 6e6, 600)(p, second), month/5*(0.2e-6+0.06015*0.5*0.0000133334+5e-6) + 3*month/10*0.4e-6},
		"brokers, few":        {cost.Brokers(2, task, 0.25)(p, second), 730.5*(2*(0.25*0.03238+0.00356+0.005)+0.0225+0.1*0.006) + month*5e-6},
		"brokers, many":       {cost.Brokers(2, task, 0.25)(p, cost.Load{PerSecond: 100, Bytes: 0}), 730.5*(2*(0.25*0.03238+0.00356+0.005)+0.0225+0.1*0.006) + 8*month*5e-6},
		"etcd":                {cost.Etcd(p, 20, 2), 3*(730.5*0.0168+20*0.08) + 2*730.5*0.01},
		"crossover, few PUTs": {cost.Crossover(p, cost.Invocation{Base: 10, GiB: 1}, 0, 2, task, 0.25), 730.5 * (2*(0.25*0.03238+0.00356+0.005) + 0.0225 + 0.1*0.006) / (month * (0.2e-6 + 10*0.0000133334))},
	} {
		if !near(c.got, c.want) {
			t.Errorf("%s: $%f, by hand $%f", name, c.got, c.want)
		}
	}
}

// At the crossover both cost the same.
func TestCrossover_IsWhereBothCostTheSame(t *testing.T) {
	p := prices(t)
	for _, linger := range []float64{0.25, 1, 5} {
		r := cost.Crossover(p, invocation, 1, 2, task, linger)
		at := cost.Load{PerSecond: r} // of no bytes, so that the balancer's least counts
		if f, b := cost.Function(invocation, 1, 1)(p, at), cost.Brokers(2, task, linger)(p, at); !near(f, b) {
			t.Errorf("linger %g s: at %f requests a second $%f and $%f", linger, r, f, b)
		}
	}
}

// The tables of the document are reckoned here, so that neither they nor the formulas change alone.
func TestDocs_CostsAreWhatTheFormulasSay(t *testing.T) {
	text, err := os.ReadFile("../../docs/SERVERLESS.md")
	if err != nil {
		t.Fatal(err)
	}
	p := prices(t)
	loads := []cost.Load{{PerSecond: 1, Bytes: 1024}, {PerSecond: 100, Bytes: 1024}, {PerSecond: 10000, Bytes: 1024}}
	var want []string
	for _, w := range planned() {
		line := "| " + w.name
		for _, l := range loads {
			d := w.way(p, l)
			line += fmt.Sprintf(" | $%s (%s)", month(d), perMillion(d/l.Month()*1e6))
		}
		want = append(want, line+" |")
	}
	for _, linger := range []float64{0.25, 1} {
		want = append(want, fmt.Sprintf("| %g s | %.1f requests a second | %.1f requests a second |", linger,
			cost.Crossover(p, invocation, 1, 2, task, linger), cost.Crossover(p, invocation, 1000, 2, task, linger)))
	}
	want = append(want, fmt.Sprintf("$%.2f a month", cost.Etcd(p, 20, 2)), fmt.Sprintf("$%.2f idle", cost.BrokersIdle(p, 2, task)))
	for _, line := range want {
		if !strings.Contains(string(text), line) {
			t.Errorf("docs/SERVERLESS.md lacks: %s", line)
		}
	}
}

func month(d float64) string {
	if d < 100 {
		return fmt.Sprintf("%.2f", d)
	}
	return fmt.Sprintf("%.0f", d)
}

func perMillion(d float64) string {
	if d < 1 {
		return fmt.Sprintf("%.4f", d)
	}
	return fmt.Sprintf("%.2f", d)
}
