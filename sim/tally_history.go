package sim

import (
	"fmt"
	"testing"

	"github.com/firnlog/firnlog/tests/groups"
)

// Wrong is one thing that a history should not have had.
type Wrong struct{ Checker, What string }

// Told is a history of any workload, for who counts them.
type Told struct {
	Tally
	Wrong []Wrong
	// Transcript gives all that happened, a line each.
	Transcript func() []string
}

// Workload runs the history of a seed.
type Workload struct {
	Name string
	Run  func(t *testing.T, seed uint64) Told
}

// Workloads are all there are.
func Workloads() []Workload {
	return []Workload{
		{"log", func(t *testing.T, seed uint64) Told { return Run(t, seed, nil).told() }},
		{"queues", func(t *testing.T, seed uint64) Told {
			return Run(t, seed, func(s *Settings) { *s = DrawQueues(seed) }).told()
		}},
		{"groups", func(t *testing.T, seed uint64) Told { return RunGroups(t, seed).told() }},
	}
}

func (r *Report) told() Told {
	out := Told{Tally: r.Tally, Transcript: func() []string { return lines(r.entries) }}
	for _, v := range r.Violations {
		out.Wrong = append(out.Wrong, Wrong{v.Checker, v.String()})
	}
	if r.Queue != nil && !r.Queue.Good() {
		for _, f := range r.Queue.Findings {
			out.Wrong = append(out.Wrong, Wrong{string(f.Class), f.What})
		}
	}
	return out
}

func (r *GroupReport) told() Told {
	out := Told{Tally: r.Tally, Transcript: func() []string { return r.events() }}
	for _, v := range r.Violations {
		out.Wrong = append(out.Wrong, Wrong{v.Rule, v.What})
	}
	return out
}

func lines[T fmt.Stringer](all []T) (out []string) {
	for _, e := range all {
		out = append(out, e.String())
	}
	return out
}

// events of all groups, one group after the other; what members only read or processed is left out.
func (r *GroupReport) events() (out []string) {
	for _, h := range r.Histories {
		for _, e := range h.Events {
			if e.Kind != groups.Processed && e.Kind != groups.Read {
				out = append(out, h.Group+" "+e.String())
			}
		}
	}
	return out
}
