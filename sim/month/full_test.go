package month_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/firnlog/firnlog/bench/plot"
)

// TestMonth_OfAllPolicies lets 30 days pass for 200 topics, and draws what etcd and the bucket held (make month).
func TestMonth_OfAllPolicies(t *testing.T) {
	if !*fullFlag {
		t.Skip("the slice is TestMonth_InShort; make month runs the whole")
	}
	began := time.Now()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, scale{seed: *seedFlag, topics: 200, batches: 60, round: 10 * time.Minute, bytes: 48 << 10, records: 8})
		all, what := w.run(*daysFlag, patience{age: 4 * day, compact: 36 * time.Hour, size: 4 * 48 << 10})
		w.write(all, what)
		w.flat(all, 7*day)
	})
	t.Logf("took %v", time.Since(began).Round(time.Second))
}

// flat: once everything has happened for the first time, etcd grows no more, whatever is stored.
func (w *world) flat(all []sample, week time.Duration) {
	w.t.Helper()
	end := all[len(all)-1].at + 1
	for name, of := range map[string]func(*sample) int64{"bytes": etcdBytes, "keys": etcdKeys} {
		second, last := peak(all, week, 2*week, of), peak(all, end-week, end, of)
		w.t.Logf("etcd: at most %d %s in the second week, %d in the last", second, name, last)
		if float64(last) > 1.1*float64(second) {
			w.t.Errorf("etcd grows: %d %s in the second week, %d in the last", second, name, last)
		}
	}
}

// write draws the month, and prints its table.
func (w *world) write(all []sample, what map[string]*found) {
	w.t.Helper()
	svg := plot.Draw(fmt.Sprintf("%d topics, %d partitions, all policies: what a month leaves", len(w.topics), w.partitions()), []plot.Panel{
		panel("etcd: bytes of keys and values", "B", all, func(s *sample) map[string]amount { return s.etcd }, bytesOf),
		panel("etcd: keys", "", all, func(s *sample) map[string]amount { return s.etcd }, countOf),
		panel("bucket: bytes", "B", all, func(s *sample) map[string]amount { return s.bucket }, bytesOf),
		panel("bucket: objects", "", all, func(s *sample) map[string]amount { return s.bucket }, countOf),
	})
	if *drawFlag != "" {
		if err := os.WriteFile(*drawFlag, svg, 0o644); err != nil {
			w.t.Fatal(err)
		}
	}
	var b strings.Builder
	row := func(s *sample) {
		e, o := total(s.etcd), total(s.bucket)
		fmt.Fprintf(&b, "| %.0f | %d | %.0f KiB | %d | %.1f MiB |", s.at.Hours()/24, e.n, float64(e.bytes)/1024, o.n, float64(o.bytes)/(1<<20))
		for _, prefix := range prefixes {
			fmt.Fprintf(&b, " %.1f |", float64(s.bucket[prefix].bytes)/(1<<20))
		}
		b.WriteString("\n")
	}
	fmt.Fprintf(&b, "\n| day | etcd keys | etcd bytes | objects | stored | %s |\n|%s\n", strings.Join(prefixes, " | "), strings.Repeat("---|", 5+len(prefixes)))
	for i := range all {
		if h := int(all[i].at.Hours() + 0.5); h == 24 || h%(5*24) == 0 {
			row(&all[i])
		}
	}
	b.WriteString("\n| policy | partitions | records readable | bytes | oldest beyond retention.ms | largest beyond retention.bytes | longest superseded |\n|---|---|---|---|---|---|---|\n")
	for _, c := range classes(w.bytes) {
		if f := what[c.name]; f != nil {
			fmt.Fprintf(&b, "| %s | %d | %d | %.1f MiB | %s | %d KiB | %s |\n", c.name, f.partitions, f.records, float64(f.bytes)/(1<<20), hours(f.overdue), f.oversize>>10, hours(f.stale))
		}
	}
	w.t.Log(b.String())
}

func hours(d time.Duration) string {
	if d <= 0 {
		return "-"
	}
	return fmt.Sprintf("%.1f h", d.Hours())
}

func (w *world) partitions() (n int) {
	for _, s := range w.topics {
		n += len(s.parts)
	}
	return n
}

func bytesOf(a amount) float64 { return float64(a.bytes) }
func countOf(a amount) float64 { return float64(a.n) }

func panel(title, unit string, all []sample, of func(*sample) map[string]amount, value func(amount) float64) plot.Panel {
	p := plot.Panel{Title: title, Unit: unit}
	last := of(&all[len(all)-1])
	var names []string
	for i := range all {
		p.Days = append(p.Days, all[i].at.Hours()/24)
		for name := range of(&all[i]) {
			if !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	slices.SortFunc(names, func(a, b string) int { return int(value(last[b]) - value(last[a])) })
	for _, name := range names {
		k := plot.Kind{Name: name}
		for i := range all {
			k.Values = append(k.Values, value(of(&all[i])[name]))
		}
		p.Kinds = append(p.Kinds, k)
	}
	return p
}
