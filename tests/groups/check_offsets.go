package groups

import (
	"cmp"
	"slices"
	"time"
)

// moment is when something was known to everybody, or began.
type moment struct {
	at    time.Duration
	known bool // it is over; otherwise: it begins
	event Event
}

// moments orders what is over before what begins: of two events, one came before the other only if it was over when that
// one began. At the same instant nothing is known yet.
func moments(events []Event, knownAt func(Event) time.Duration, kinds ...Kind) []moment {
	var out []moment
	for _, e := range events {
		if slices.Contains(kinds, e.Kind) {
			out = append(out, moment{e.Start, false, e}, moment{knownAt(e), true, e})
		}
	}
	slices.SortStableFunc(out, func(a, b moment) int {
		if a.at == b.at && a.known != b.known {
			if a.known {
				return 1
			}
			return -1
		}
		return cmp.Compare(a.at, b.at)
	})
	return out
}

// fenced: once a member was told that it has a partition in a generation, or has committed there, no commit of an older generation
// that begins later succeeds.
func (j *judge) fenced(p Partition, events []Event) {
	var newest Event
	knownAt := func(e Event) time.Duration {
		if e.Kind == Assigned {
			return e.Start // it was stored before anybody was told
		}
		return e.End
	}
	for _, m := range moments(events, knownAt, Assigned, Commit) {
		e := m.event
		switch {
		case e.Generation <= 0, e.Kind == Commit && e.Outcome != OK:
		case m.known && e.Generation > newest.Generation:
			newest = e
		case !m.known && e.Kind == Commit && e.Generation < newest.Generation && knownAt(newest) < e.Start:
			j.bad(RuleFenced, "%v was committed: %v, after: %v", p, e, newest)
		}
	}
}

// forward: a commit that succeeded holds for all that begins later.
func (j *judge) forward(p Partition, events []Event) {
	asked := map[int64]bool{-1: true}
	highest := Event{Offset: -1} // known
	for _, m := range moments(events, func(e Event) time.Duration { return e.End }, Commit, Read) {
		e := m.event
		if !m.known {
			if e.Kind == Commit {
				asked[e.Offset] = true
				j.counts.Commits[e.Outcome]++
			}
			if e.Kind == Commit && e.Outcome == OK && e.Offset < highest.Offset && highest.End < e.Start {
				j.bad(RuleForward, "%v: %v, after: %v", p, e, highest)
			}
			continue
		}
		if e.Kind == Read {
			j.read(p, e, asked, events)
		}
		if (e.Kind == Read || e.Outcome == OK) && e.Offset > highest.Offset {
			highest = e
		}
	}
}

// read: what was read is what somebody asked to commit before the answer came, and not less than what was known when it began.
func (j *judge) read(p Partition, e Event, asked map[int64]bool, events []Event) {
	if !asked[e.Offset] {
		j.bad(RuleTrueOffset, "%v: %v, but nobody asked for that", p, e)
	}
	for _, o := range events {
		if (o.Kind == Read || o.Kind == Commit && o.Outcome == OK) && o.End < e.Start && o.Offset > e.Offset {
			j.bad(RuleForward, "%v: %v, after: %v", p, e, o)
			return
		}
	}
}

// processed: all records are, and all below an offset before anybody asks to commit it.
func (j *judge) processed(p Partition, events []Event) {
	end, consumed := j.Ends[p]
	if !consumed || end < 0 {
		return
	}
	var done spans
	for _, m := range moments(events, func(e Event) time.Duration { return e.Start }, Processed, Commit) {
		switch e := m.event; {
		case e.Kind == Processed && m.known:
			j.counts.Processed += e.Offset - e.From
			j.counts.Again += e.Offset - e.From - done.add(e.From, e.Offset)
		case e.Kind == Commit && m.known && done.prefix() < e.Offset:
			j.bad(RuleNotAhead, "%v: %v, but record %d was processed by nobody", p, e, done.prefix())
		}
	}
	if done.prefix() < end {
		j.bad(RuleComplete, "%v: record %d of %d was processed by nobody", p, done.prefix(), end)
	}
}

// spans is a set of offsets: disjoint [from, to), in order.
type spans [][2]int64

// add puts offsets in, and gives how many of them are new.
func (s *spans) add(from, to int64) (fresh int64) {
	fresh = to - from
	merged := [2]int64{from, to}
	var out spans
	for _, x := range *s {
		if x[1] < from || x[0] > to {
			out = append(out, x)
			continue
		}
		fresh -= max(min(x[1], to)-max(x[0], from), 0)
		merged[0], merged[1] = min(merged[0], x[0]), max(merged[1], x[1])
	}
	at, _ := slices.BinarySearchFunc(out, merged, func(a, b [2]int64) int { return cmp.Compare(a[0], b[0]) })
	*s = slices.Insert(out, at, merged)
	return fresh
}

// prefix is the first offset that is not in.
func (s *spans) prefix() int64 {
	if len(*s) == 0 || (*s)[0][0] > 0 {
		return 0
	}
	return (*s)[0][1]
}
