package soak

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// The marks of the block in a document that Replace rewrites.
const (
	blockBegin = "<!-- soak: written by make soak-report -->"
	blockEnd   = "<!-- /soak -->"
)

// ErrNoBlock says that a document has no place for a report.
var ErrNoBlock = errors.New("the document has no block for it")

// Replace puts a report between the marks.
func Replace(document, report string) (string, error) {
	begin, end := strings.Index(document, blockBegin), strings.Index(document, blockEnd)
	if begin < 0 || end < begin {
		return "", fmt.Errorf("%w: %s … %s", ErrNoBlock, blockBegin, blockEnd)
	}
	return document[:begin+len(blockBegin)] + "\n" + report + document[end:], nil
}

// Report says in Markdown what all runs have come to.
func (s *State) Report() string {
	var b strings.Builder
	all := map[string]*Total{}
	sum := &Total{Faults: map[string]int{}}
	for _, r := range s.Runs {
		for name, t := range r.Workloads {
			if all[name] == nil {
				all[name] = &Total{Faults: map[string]int{}}
			}
			all[name].add(t)
			sum.add(t)
		}
	}
	fmt.Fprintf(&b, "\n| workload | histories | simulated hours | operations | transactions ended | faults | hours of wall time, all workers | wrong |\n|---|---|---|---|---|---|---|---|\n")
	for _, name := range slices.Sorted(maps.Keys(all)) {
		s.row(&b, name, all[name])
	}
	s.row(&b, "", sum)
	fmt.Fprintf(&b, "\nFaults by kind: %s.\n", kinds(sum.Faults))
	s.commits(&b)
	s.mistakes(&b)
	return b.String()
}

// row of a workload, or of all.
func (s *State) row(b *strings.Builder, name string, t *Total) {
	wrong, faults := 0, 0
	for _, w := range s.Wrong {
		if name == "" || w.Workload == name {
			wrong++
		}
	}
	for _, n := range t.Faults {
		faults += n
	}
	if name == "" {
		name = "**all**"
	}
	fmt.Fprintf(b, "| %s | %s | %s | %s | %s | %s | %.1f | %d |\n", name, count(t.Histories), count(int(t.Virtual/time.Hour)), count(t.Operations), count(t.Transactions),
		count(faults), t.Wall.Hours(), wrong)
}

// commits that the histories ran with.
func (s *State) commits(b *strings.Builder) {
	fmt.Fprintf(b, "\n| commits | histories | from | to |\n|---|---|---|---|\n")
	for _, r := range s.Runs {
		n := 0
		for _, t := range r.Workloads {
			n += t.Histories
		}
		fmt.Fprintf(b, "| %s | %s | %s | %s |\n", r.Commit, count(n), r.First.UTC().Format("2006-01-02 15:04"), r.Last.UTC().Format("2006-01-02 15:04"))
	}
}

// mistakes are the histories that were wrong, and what became of them.
func (s *State) mistakes(b *strings.Builder) {
	if len(s.Wrong) == 0 {
		return
	}
	fmt.Fprintf(b, "\n| wrong | seed | commit | checker | cause | the same seed holds since |\n|---|---|---|---|---|---|\n")
	for _, w := range s.Wrong {
		cause, holds := w.Cause, w.Holds
		if cause == "" {
			cause = "not known yet"
		}
		if holds == "" {
			holds = "not yet"
		}
		fmt.Fprintf(b, "| %s | %d | %s | %s | %s | %s |\n", w.Workload, w.Seed.Seed, w.Commit, w.Checker, cause, holds)
	}
}

// kinds in the order of their names.
func kinds(faults map[string]int) string {
	var out []string
	for _, k := range slices.Sorted(maps.Keys(faults)) {
		out = append(out, k+" "+count(faults[k]))
	}
	return strings.Join(out, ", ")
}

// count writes a number with commas.
func count(n int) string {
	digits := fmt.Sprint(n)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}
