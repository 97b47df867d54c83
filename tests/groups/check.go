package groups

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// What must hold. What a member believes after it was cut off is its own affair: it may go on reading. So a
// partition's owner is who may commit, and the checks are about what the group was told and let happen.
const (
	RuleOneOwner   = "one owner in a generation"     // two members were given one partition in one generation
	RuleHandover   = "given up before given away"    // a member still had what another one was given, and was not at fault itself
	RuleGrows      = "generations grow"              // a member went back to an older generation
	RuleFenced     = "older generations are refused" // a commit succeeded that began after its partition was given on
	RuleForward    = "offsets never go back"         // a commit or a read of less than was committed before it began
	RuleTrueOffset = "offsets are what was asked"    // a read of what nobody asked to commit
	RuleNotAhead   = "processed before committed"    // somebody skipped records, since a commit was not what it should be
	RuleComplete   = "every record is processed"     // one was not
	RuleSettles    = "rebalances settle"             // they go on, or end with partitions that nobody or two members have
)

// Violation is one thing that must never be.
type Violation struct {
	Rule string
	What string
}

func (v Violation) String() string { return v.Rule + ": " + v.What }

// Counts say how much a history held, so that a test can see that it was not an empty one.
type Counts struct {
	Rebalances int // generations that somebody was given a partition in
	Handovers  int // partitions given to another member than the one before
	Commits    map[Outcome]int
	Processed  int64         // records, those processed twice counted twice
	Again      int64         // records processed more than once
	Settled    time.Duration // from Healed to the last change
}

// judge checks one history.
type judge struct {
	*History
	counts     Counts
	violations []Violation
}

// violationsMax of one rule are told; the rest is more of the same.
const violationsMax = 5

// Check gives everything that is wrong with a history.
func Check(h *History) ([]Violation, Counts) {
	j := &judge{History: h, counts: Counts{Commits: map[Outcome]int{}}}
	j.Events = slices.Clone(h.Events)
	slices.SortStableFunc(j.Events, func(a, b Event) int { return cmp.Compare(a.Start, b.Start) })
	j.owners()
	j.handovers()
	for p, events := range j.byPartition() {
		j.fenced(p, events)
		j.forward(p, events)
		j.processed(p, events)
	}
	j.settles()
	slices.SortStableFunc(j.violations, func(a, b Violation) int { return cmp.Compare(a.Rule, b.Rule) })
	return j.violations, j.counts
}

func (j *judge) bad(rule, format string, args ...any) {
	n := 0
	for _, v := range j.violations {
		if v.Rule == rule {
			n++
		}
	}
	if n < violationsMax {
		j.violations = append(j.violations, Violation{rule, j.Group + ": " + fmt.Sprintf(format, args...)})
	}
}

// byPartition gives the events that name each partition, in order of their starts.
func (j *judge) byPartition() map[Partition][]Event {
	out := map[Partition][]Event{}
	for p := range j.Ends {
		out[p] = nil
	}
	for _, e := range j.Events {
		for _, p := range e.Partitions {
			out[p] = append(out[p], e)
		}
	}
	return out
}

// owners: what a member has when it is told of a generation is its own in that generation.
func (j *judge) owners() {
	type claim struct {
		Partition
		generation int32
	}
	claims := map[claim]string{}
	last := map[Partition]string{}
	has := map[string]map[Partition]bool{}
	at := map[string]int32{}
	generations := map[int32]bool{}
	for _, e := range j.Events {
		mine := has[e.Member]
		if mine == nil {
			mine = map[Partition]bool{}
			has[e.Member] = mine
		}
		switch e.Kind {
		case Revoked, Lost:
			for _, p := range e.Partitions {
				delete(mine, p)
			}
			if e.Kind == Lost {
				at[e.Member] = 0
			}
		case Assigned:
			for _, p := range e.Partitions {
				mine[p] = true
				if last[p] != "" && last[p] != e.Member {
					j.counts.Handovers++
				}
				last[p] = e.Member
			}
			if e.Generation <= 0 {
				continue
			}
			if e.Generation < at[e.Member] {
				j.bad(RuleGrows, "%s went from generation %d to %d", e.Member, at[e.Member], e.Generation)
			}
			at[e.Member] = e.Generation
			generations[e.Generation] = true
			for p := range mine {
				c := claim{p, e.Generation}
				if other := claims[c]; other != "" && other != e.Member {
					j.bad(RuleOneOwner, "%v in generation %d is with %s and %s", p, e.Generation, other, e.Member)
				}
				claims[c] = e.Member
			}
		}
	}
	j.counts.Rebalances = len(generations)
}

// tenure is the time in which a member had a partition.
type tenure struct {
	member     string
	generation int32 // in which it began
	start, end time.Duration
	over       Kind // how it ended; "": it did not
}

// tenures of each partition, in order of their starts.
func (j *judge) tenures() map[Partition][]tenure {
	out := map[Partition][]tenure{}
	for _, e := range j.Events {
		for _, p := range e.Partitions {
			switch e.Kind {
			case Assigned:
				out[p] = append(out[p], tenure{member: e.Member, generation: e.Generation, start: e.Start, end: 1<<63 - 1})
			case Revoked, Lost:
				for i := len(out[p]) - 1; i >= 0; i-- {
					if t := &out[p][i]; t.member == e.Member && t.over == "" {
						t.end, t.over = e.End, e.Kind
						break
					}
				}
			}
		}
	}
	return out
}

// handovers: a member that gives up by itself has done so before one of a newer generation is given what it had. Who was at fault,
// or was told that all is lost, has been put out, and is fenced (see fenced).
func (j *judge) handovers() {
	for p, list := range j.tenures() {
		for i, later := range list {
			for _, earlier := range list[:i] {
				overlap := earlier.member != later.member && earlier.generation < later.generation && earlier.end > later.start
				if overlap && earlier.over == Revoked && !j.disturbed(earlier.member, earlier.start, earlier.end) {
					j.bad(RuleHandover, "%v was given to %s at %v, and %s gave it up at %v", p, later.member, later.start, earlier.member, earlier.end)
				}
			}
		}
	}
}

func (j *judge) disturbed(member string, from, to time.Duration) bool {
	return slices.ContainsFunc(j.Events, func(e Event) bool {
		return e.Kind == Disturbed && e.Member == member && e.Start < to && e.End > from
	})
}

// settles: nobody gains or loses a partition when enough time has passed, all members are in one generation,
// and each partition has one owner among them.
func (j *judge) settles() {
	if j.Final == nil {
		return
	}
	for _, e := range j.Events {
		if e.Kind != Assigned && e.Kind != Revoked && e.Kind != Lost || len(e.Partitions) == 0 || e.End < j.Healed {
			continue
		}
		j.counts.Settled = max(j.counts.Settled, e.End-j.Healed)
		if _, lives := j.Final[e.Member]; lives && e.Start > j.Healed+j.SettleMax {
			j.bad(RuleSettles, "%v after the last disturbance: %v", e.Start-j.Healed, e)
		}
	}
	generations := map[int32]string{}
	for member, g := range j.Final {
		generations[g] = member
	}
	if len(generations) > 1 {
		j.bad(RuleSettles, "members are in different generations: %v", generations)
	}
	tenures := j.tenures()
	for p := range j.Ends {
		var owners []string
		for _, t := range tenures[p] {
			if _, lives := j.Final[t.member]; lives && t.over == "" {
				owners = append(owners, t.member)
			}
		}
		if len(owners) != 1 {
			j.bad(RuleSettles, "%v has the owners %v in the end", p, owners)
		}
	}
}
