package sim

import (
	"fmt"
	"testing"
	"time"
)

// A failing history is made smaller by taking things away, one after the other, as long as it still fails by the same checker:
// faults, clients, instances, time. What is left is a settings' worth of reasons, and a transcript that a person can read.

// reduction takes one thing away; false: there is nothing left to take.
type reduction struct {
	name string
	take func(*Settings) bool
}

// zero makes something nothing.
func zero[T comparable](v *T) bool {
	var none T
	had := *v != none
	*v = none
	return had
}

// less takes one away of something, down to a least.
func less(n *int, least int) bool {
	if *n <= least {
		return false
	}
	*n--
	return true
}

// reductions, those first that make the most go away.
func reductions() []reduction {
	out := []reduction{
		{"half of the time", func(s *Settings) bool { s.Chaos /= 2; return s.Chaos > time.Second }},
		{"no weather, pauses, kills, cuts", func(s *Settings) bool { had := s.ChaosEvery < s.Chaos; s.ChaosEvery = 100 * s.Chaos; return had }},
		{"log compaction, retention and cold storage", func(s *Settings) bool { return zero(&s.Aging) }},
		{"a client that is plain", func(s *Settings) bool { return less(&s.Plain, 0) }},
		{"an idempotent client", func(s *Settings) bool { return less(&s.Idempotent, 0) }},
		{"a transactional client", func(s *Settings) bool { return less(&s.Transactional, 0) }},
		{"a consumer", func(s *Settings) bool { return less(&s.Consumers, 0) }},
		{"a plain sender", func(s *Settings) bool { return less(&s.Queue.Plain, 0) }},
		{"an idempotent sender", func(s *Settings) bool { return less(&s.Queue.Idempotent, 0) }},
		{"a sender of transactions", func(s *Settings) bool { return less(&s.Queue.Transactional, 0) }},
		{"a reader", func(s *Settings) bool { return less(&s.Queue.Readers, 0) }},
		{"an instance", func(s *Settings) bool { return less(&s.Instances, 1) }},
		{"wrong clocks", func(s *Settings) bool { return zero(&s.SkewFirst) || zero(&s.SkewStep) }},
		{"damaged batches", func(s *Settings) bool { return zero(&s.Corrupt) }},
	}
	for i, name := range faultNames {
		out = append(out, reduction{name, func(s *Settings) bool { return zero(s.Faults.each()[i]) }})
	}
	return out
}

// Smaller is what is left of a failing history.
type Smaller struct {
	*Report
	Gone []string // what was taken away
	Runs int
}

// Shrink makes a failing history smaller, for so long in wall time. Reductions go round until none of them leaves the failure.
func Shrink(t *testing.T, failed *Report, most time.Duration) *Smaller {
	best := &Smaller{Report: failed}
	begun := time.Now()
	for changed := true; changed; {
		changed = false
		for _, r := range reductions() {
			for time.Since(begun) < most {
				s := best.Settings
				if !r.take(&s) {
					break
				}
				best.Runs++
				report := Run(t, failed.Seed, func(into *Settings) { *into = s })
				if report.checker() != failed.checker() {
					break
				}
				best.Report, best.Gone, changed = report, append(best.Gone, r.name), true
			}
		}
	}
	return best
}

// bad says that something is wrong.
func (r *Report) bad() bool {
	return len(r.Violations) > 0 || r.Queue != nil && !r.Queue.Good()
}

// checker that a history failed by; "": it holds.
func (r *Report) checker() string {
	switch {
	case len(r.Violations) > 0:
		return r.Violations[0].Checker
	case r.bad():
		return string(r.Queue.Findings[0].Class)
	}
	return ""
}

func (s *Smaller) String() string {
	return fmt.Sprintf("%d calls left, in %v, after %d runs without: %v", s.Calls, s.Tally.Virtual.Round(time.Millisecond), s.Runs, s.Gone)
}
