package groups

import (
	"slices"
	"testing"
	"time"
)

const second = time.Second

var p0, p1 = Partition{"t", 0}, Partition{"t", 1}

func ev(at int, kind Kind, member string, generation int32, partitions ...Partition) Event {
	return Event{Start: time.Duration(at) * second, End: time.Duration(at)*second + second/2, Kind: kind, Member: member, Generation: generation, Partitions: partitions}
}

func commit(at int, member string, generation int32, offset int64, outcome Outcome) Event {
	e := ev(at, Commit, member, generation, p0)
	e.Offset, e.Outcome = offset, outcome
	return e
}

func read(at int, offset int64) Event {
	e := ev(at, Read, "", 0, p0)
	e.Offset = offset
	return e
}

func processed(at int, member string, from, to int64) Event {
	e := ev(at, Processed, member, 0, p0)
	e.From, e.Offset = from, to
	return e
}

// good is a history of two members: a is paused, b takes over, a comes back.
func good() *History {
	return &History{
		Group: "g", Ends: map[Partition]int64{p0: 30, p1: 0}, Healed: 60 * second, SettleMax: 20 * second, Final: map[string]int32{"a": 3, "b": 3},
		Events: []Event{
			ev(1, Assigned, "a", 1, p0, p1),
			processed(2, "a", 0, 10), commit(3, "a", 1, 10, OK), processed(4, "a", 10, 15),
			{Start: 5 * second, End: 40 * second, Kind: Disturbed, Member: "a"},
			ev(12, Assigned, "b", 2, p0, p1),
			processed(13, "b", 10, 20), commit(14, "b", 2, 20, OK), read(15, 20),
			commit(41, "a", 1, 15, Refused), ev(42, Lost, "a", 0, p0, p1),
			ev(50, Revoked, "b", 2, p1), ev(51, Assigned, "b", 3), ev(62, Assigned, "a", 3, p1),
			commit(63, "b", 3, 20, Unknown), processed(64, "b", 20, 30), commit(65, "b", 3, 30, OK), read(66, 30),
		},
	}
}

func TestCheck_AGoodHistoryPasses(t *testing.T) {
	violations, counts := Check(good())
	for _, v := range violations {
		t.Error(v)
	}
	if counts.Rebalances != 3 || counts.Handovers != 3 || counts.Commits[OK] != 3 || counts.Processed != 35 || counts.Again != 5 || counts.Settled != 2500*time.Millisecond {
		t.Errorf("%+v", counts)
	}
}

func TestCheck_RejectsABadHistory(t *testing.T) {
	for _, bad := range []struct {
		name, rule string
		spoil      func(h *History)
	}{
		{"two members are given one partition in one generation", RuleOneOwner, func(h *History) { h.add(ev(43, Assigned, "c", 2, p1)) }},
		{"a member keeps in a generation what another one has in it", RuleOneOwner, func(h *History) {
			h.add(ev(70, Assigned, "b", 4, p1), ev(71, Assigned, "a", 4)) // a has p1 since generation 3
		}},
		{"a partition is given away before it is given up", RuleHandover, func(h *History) { h.event(ev(50, Revoked, "b", 2, p1)).End = 63 * second }},
		{"a member goes back to an older generation", RuleGrows, func(h *History) { h.event(ev(51, Assigned, "b", 3)).Generation = 1 }},
		{"a paused member commits when it goes on", RuleFenced, func(h *History) {
			e := h.event(commit(41, "a", 1, 15, Refused))
			e.Outcome, e.Offset = OK, 20
		}},
		{"a member commits in an older generation than was committed in", RuleFenced, func(h *History) { h.add(commit(68, "c", 2, 30, OK)) }},
		{"an offset is committed below one that was", RuleForward, func(h *History) { h.add(commit(67, "b", 3, 25, OK)) }},
		{"what was committed is read no more", RuleForward, func(h *History) { h.event(read(66, 30)).Offset = 20 }},
		{"all offsets are gone", RuleForward, func(h *History) { h.event(read(15, 20)).Offset = -1 }},
		{"what was read is read no more", RuleForward, func(h *History) {
			h.event(commit(65, "b", 3, 30, OK)).Outcome = Unknown
			h.add(read(67, 20))
		}},
		{"an offset is read that nobody committed", RuleTrueOffset, func(h *History) { h.event(read(15, 20)).Offset = 22 }},
		{"a member begins beyond what was processed", RuleNotAhead, func(h *History) { h.event(processed(13, "b", 10, 20)).From = 17 }},
		{"a record is committed before it is processed", RuleNotAhead, func(h *History) { h.event(processed(64, "b", 20, 30)).Start = 66 * second }},
		{"the last record is processed by nobody", RuleComplete, func(h *History) { h.Ends[p0] = 31 }},
		{"a rebalance comes long after the last fault", RuleSettles, func(h *History) {
			h.add(ev(90, Revoked, "a", 3, p1), ev(92, Assigned, "a", 3, p1))
		}},
		{"a partition has no owner in the end", RuleSettles, func(h *History) { h.add(ev(70, Revoked, "a", 3, p1)) }},
		{"a partition has an owner that does not live", RuleSettles, func(h *History) { delete(h.Final, "a") }},
		{"two members own a partition in the end", RuleSettles, func(h *History) { h.add(ev(70, Assigned, "b", 4, p1)) }},
		{"members end in different generations", RuleSettles, func(h *History) { h.Final["a"] = 2 }},
	} {
		h := good()
		bad.spoil(h)
		violations, _ := Check(h)
		if !slices.ContainsFunc(violations, func(v Violation) bool { return v.Rule == bad.rule }) {
			t.Errorf("%s: not rejected as %q, but %v", bad.name, bad.rule, violations)
		}
	}
}

func TestCheck_WhatOverlapsHasNoOrder(t *testing.T) {
	h := good()
	slow := commit(13, "a", 1, 15, OK) // began after b was given the partition
	h.event(ev(12, Assigned, "b", 2, p0, p1)).Start = 13 * second
	h.add(slow) // began at the same instant: nothing is known
	if violations, _ := Check(h); len(violations) > 0 {
		t.Error(violations)
	}
	h.add(commit(12, "a", 1, 15, OK))
	if violations, _ := Check(h); len(violations) > 0 {
		t.Error(violations)
	}
}

func (h *History) add(events ...Event) { h.Events = append(h.Events, events...) }

// event finds the one that is like this.
func (h *History) event(like Event) *Event {
	for i := range h.Events {
		if h.Events[i].String() == like.String() {
			return &h.Events[i]
		}
	}
	panic("no such event: " + like.String())
}
