package deliver

import "github.com/firnlog/firnlog/core/record"

// Rule says how batches are made and tried.
type Rule struct {
	RecordsMax int
	BytesMax   int // of an event
	Attempts   int // how often a batch that is not split any more is tried
	Bisect     bool
}

// Plan is a portion's way to the function. It is pure: who uses it says what became of each batch.
//
//	all of it          → batches, as many records and bytes as fit
//	a batch fails      → with Bisect two halves, one after the other; else, and if it is one record, again, up to Attempts times;
//	                     then all of it is given up
//	its record N fails → what is before N is done. From N on it is tried again; when N has been named Attempts times in a row, N is given up
//	                     and the rest goes on
//
// Parts are a stack whose top is the lowest: everything below it is done.
type Plan struct {
	rule    Rule
	frame   int // bytes around the records
	records []Record
	end     record.Offset // to go on from when all is done
	tries   []int         // failed invocations that each record was in
	parts   []part
}

// part is records from … to-1, tried as one so many times.
type part struct {
	from, to int
	cut      bool // it fits one event
	tried    int
}

func newPlan(rule Rule, frame int, records []Record, end record.Offset) *Plan {
	p := &Plan{rule: rule, frame: frame, records: records, end: end, tries: make([]int, len(records))}
	if len(records) > 0 {
		p.parts = []part{{to: len(records)}}
	}
	return p
}

// Next is the batch to try; nil: all is done. One whose record has no JSON cannot be tried: see TooLarge.
func (p *Plan) Next() []Record {
	if len(p.parts) == 0 {
		return nil
	}
	top := &p.parts[len(p.parts)-1]
	if !top.cut {
		to := p.fits(top.from, top.to)
		top.cut = true
		if rest := (part{from: to, to: top.to}); to < top.to {
			top.to = to
			p.parts = append(p.parts[:len(p.parts)-1], rest, *top)
		}
	}
	top = &p.parts[len(p.parts)-1]
	return p.records[top.from:top.to]
}

// fits is where a batch that begins at from ends.
func (p *Plan) fits(from, to int) int {
	size := p.frame
	for i := from; i < to; i++ {
		size += len(p.records[i].JSON) + 1
		if i > from && (i-from == p.rule.RecordsMax || size > p.rule.BytesMax || p.records[i].JSON == nil) {
			return i
		}
		if p.records[i].JSON == nil {
			return i + 1 // alone
		}
	}
	return to
}

// Through is the offset below which all is done.
func (p *Plan) Through() record.Offset {
	if len(p.parts) == 0 {
		return p.end
	}
	return p.records[p.parts[len(p.parts)-1].from].Offset
}

// Delivered says that the function has taken the batch.
func (p *Plan) Delivered() { p.parts = p.parts[:len(p.parts)-1] }

// Failed says that the batch failed as a whole; it gives the records that are given up.
func (p *Plan) Failed(why Failure) []Letter {
	top := &p.parts[len(p.parts)-1]
	for i := top.from; i < top.to; i++ {
		p.tries[i]++
	}
	if p.rule.Bisect && top.to-top.from > 1 {
		p.split()
		return nil
	}
	if top.tried++; top.tried < p.rule.Attempts {
		return nil
	}
	return p.giveUp(top.to-top.from, why)
}

// FailedAt says that the function has taken what is before an offset, and failed there; it gives how many it took, and what is given up.
func (p *Plan) FailedAt(at record.Offset, why Failure) (taken int, dead []Letter) {
	top := &p.parts[len(p.parts)-1]
	for p.records[top.from].Offset < at {
		top.from++
		taken++
	}
	if taken > 0 {
		top.tried = 0
	}
	p.tries[top.from]++
	if top.tried++; top.tried < p.rule.Attempts {
		return taken, nil
	}
	return taken, p.giveUp(1, why)
}

// TooLarge says that the batch fits no event: that is no failure of a record unless it is alone.
func (p *Plan) TooLarge(why Failure) []Letter {
	if top := p.parts[len(p.parts)-1]; top.to-top.from > 1 {
		p.split()
		return nil
	}
	return p.giveUp(1, why)
}

func (p *Plan) split() {
	top := p.parts[len(p.parts)-1]
	middle := top.from + (top.to-top.from)/2
	p.parts = append(p.parts[:len(p.parts)-1], part{from: middle, to: top.to, cut: true}, part{from: top.from, to: middle, cut: true})
}

// giveUp takes the first n records of the batch out of the plan.
func (p *Plan) giveUp(n int, why Failure) (dead []Letter) {
	top := &p.parts[len(p.parts)-1]
	for ; n > 0; n-- {
		dead = append(dead, Letter{Record: p.records[top.from], Failure: why, Attempts: p.tries[top.from]})
		top.from++
	}
	if top.tried = 0; top.from == top.to {
		p.parts = p.parts[:len(p.parts)-1]
	}
	return dead
}
