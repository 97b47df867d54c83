package compare

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/firnlog/firnlog/bench"
	"github.com/firnlog/firnlog/bench/plot"
)

// Report is a run that is over.
type Report struct {
	Machine, Date, Commit, Load, Command string
	Rounds                               int
	Contenders                           []*Contender
	// Pairs are contenders whose ratio is shown, by name: the first over the second.
	Pairs [][2]string
	// Missing are contenders that could not be had, and why.
	Missing []string
	Plot    string // name of the diagram's file
}

// Markdown is docs/BENCHMARKS.md.
func (r *Report) Markdown() []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "# Benchmarks, side by side\n\nWritten by `%s`; do not edit.\n\n", r.Command)
	fmt.Fprintf(&b, "- Machine: %s. Load before the run: %s (of one minute, of five, of fifteen).\n- Date: %s, commit %s.\n", r.Machine, r.Load, r.Date, r.Commit)
	fmt.Fprintf(&b, "- Client: franz-go in the same process for all, on the same machine: %d producers, idempotent, acks=all, linger as by default, no compression, values of %d bytes of which half are random; one consumer.\n", clients, valueBytes)
	fmt.Fprintf(&b, "- Method: every contender runs all the time; each of %d rounds gives each of them all tasks, one after the other. Shown are medians over rounds. How many bytes a task has follows from a warm-up of each contender, so that all work for as long.\n", r.Rounds)
	fmt.Fprintf(&b, "- Latency is at %d records a second, and counts from when a record was due. CPU is the broker's processes alone: MinIO's and etcd's work is not in it where they are processes of their own. Memory is resident, at its peak since the start.\n", rate)
	b.WriteString("- Client and brokers share the cores: what the client takes is missing to the broker, and limits the fast ones most.\n\n")
	for _, c := range r.Contenders {
		fmt.Fprintf(&b, "- **%s**: %s\n", c.Name, c.Note)
	}
	for _, m := range r.Missing {
		fmt.Fprintf(&b, "- missing: %s\n", m)
	}
	fmt.Fprintf(&b, "\n![%s](%s)\n\n", "throughput and CPU", r.Plot)
	r.table(&b)
	return []byte(b.String())
}

func (r *Report) table(b *strings.Builder) {
	b.WriteString("| task | |")
	for _, c := range r.Contenders {
		fmt.Fprintf(b, " %s |", c.Name)
	}
	pairs := r.pairs()
	for _, p := range pairs {
		fmt.Fprintf(b, " %s ÷ %s |", p[0].Name, p[1].Name)
	}
	fmt.Fprintf(b, "\n|%s\n", strings.Repeat("---|", 2+len(r.Contenders)+len(pairs)))
	for _, t := range Tasks() {
		for _, m := range t.metrics() {
			r.row(b, t.name(), m.Name, m.Digits, func(c *Contender) float64 { return c.median(t, m) })
		}
	}
	r.row(b, "memory", "idle, MiB", 1, func(c *Contender) float64 { return positive(float64(c.Idle) / mib) })
	r.row(b, "memory", "after all tasks, MiB", 1, func(c *Contender) float64 { return positive(float64(c.full()) / mib) })
	for _, c := range r.Contenders {
		for _, t := range Tasks() {
			if why, failed := c.Failed[t.name()]; failed {
				fmt.Fprintf(b, "\n%s failed at %s: `%s`\n", c.Name, t.name(), strings.ReplaceAll(why, "`", "'"))
			}
		}
	}
}

func (r *Report) row(b *strings.Builder, task, metric string, digits int, of func(*Contender) float64) {
	fmt.Fprintf(b, "| %s | %s |", task, metric)
	number := func(v float64, digits int) string {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return "–"
		}
		return fmt.Sprintf("%.*f", digits, v)
	}
	for _, c := range r.Contenders {
		fmt.Fprintf(b, " %s |", number(of(c), digits))
	}
	for _, p := range r.pairs() {
		ratio := number(of(p[0])/of(p[1]), 2)
		if ratio != "–" {
			ratio += "×"
		}
		fmt.Fprintf(b, " %s |", ratio)
	}
	b.WriteString("\n")
}

// pairs are those of which both are there.
func (r *Report) pairs() (out [][2]*Contender) {
	find := func(name string) int {
		return slices.IndexFunc(r.Contenders, func(c *Contender) bool { return c.Name == name })
	}
	for _, p := range r.Pairs {
		if a, b := find(p[0]), find(p[1]); a >= 0 && b >= 0 {
			out = append(out, [2]*Contender{r.Contenders[a], r.Contenders[b]})
		}
	}
	return out
}

// SVG shows throughput, CPU and latency.
func (r *Report) SVG() []byte {
	throughput := plot.Bars{Title: "MiB/s (more is better)"}
	cores := plot.Bars{Title: "broker CPU, seconds per GiB in + out (less is better)"}
	times := plot.Bars{Title: fmt.Sprintf("latency in ms at %d records a second (less is better)", rate)}
	for _, c := range r.Contenders {
		throughput.Names = append(throughput.Names, c.Name)
	}
	cores.Names, times.Names = throughput.Names, throughput.Names
	group := func(name string, t Task, m Metric) plot.Group {
		g := plot.Group{Name: name}
		for _, c := range r.Contenders {
			g.Values = append(g.Values, c.median(t, m))
		}
		return g
	}
	for _, t := range Tasks() {
		name := fmt.Sprintf("%s %d", t.Workload, t.Partitions)
		if t.Workload == bench.WorkLatency {
			for _, m := range t.metrics() {
				times.Groups = append(times.Groups, group(strings.TrimSuffix(m.Name, ", ms"), t, m))
			}
			continue
		}
		throughput.Groups = append(throughput.Groups, group(name, t, speed()))
		cores.Groups = append(cores.Groups, group(name, t, cpu()))
	}
	return plot.DrawBars("medians of "+r.Date, []plot.Bars{throughput, cores, times})
}
