package deliver

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/firnlog/firnlog/core/record"
)

func numbered(n int) (out []Record) {
	for i := range n {
		out = append(out, Record{Offset: record.Offset(100 + 2*i), JSON: []byte("12345")}) // offsets with holes
	}
	return out
}

// play tries a plan on a function that fails where poison is in the batch, and tells each batch as its offsets.
func play(p *Plan, fails func(batch []Record) bool) (story []string, delivered, dead []record.Offset) {
	for batch := p.Next(); batch != nil; batch = p.Next() {
		line := fmt.Sprintf("%d..%d", batch[0].Offset, batch[len(batch)-1].Offset)
		if batch[0].JSON != nil && !fails(batch) {
			for _, r := range batch {
				delivered = append(delivered, r.Offset)
			}
			p.Delivered()
			story = append(story, line)
			continue
		}
		letters := p.failed(batch)
		for _, l := range letters {
			dead = append(dead, l.Offset)
			line += fmt.Sprintf(" †%d/%d", l.Offset, l.Attempts)
		}
		story = append(story, "✗"+line)
	}
	return story, delivered, dead
}

func (p *Plan) failed(batch []Record) []Letter {
	if batch[0].JSON == nil {
		return p.TooLarge(Failure{})
	}
	return p.Failed(Failure{})
}

func with(offset record.Offset) func([]Record) bool {
	return func(b []Record) bool {
		return slices.ContainsFunc(b, func(r Record) bool { return r.Offset == offset })
	}
}

func TestPlan_BisectingFindsTheRecordAtFault(t *testing.T) {
	p := newPlan(Rule{RecordsMax: 4, BytesMax: 1000, Attempts: 2, Bisect: true}, 0, numbered(6), 200)
	story, delivered, dead := play(p, with(104))
	want := "✗100..106, 100..102, ✗104..106, ✗104..104, ✗104..104 †104/4, 106..106, 108..110"
	if got := strings.Join(story, ", "); got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	if len(delivered) != 5 || len(dead) != 1 || p.Through() != 200 {
		t.Errorf("%v, %v, through %d", delivered, dead, p.Through())
	}
}

func TestPlan_WithoutBisectingTheWholeBatchIsGivenUp(t *testing.T) {
	p := newPlan(Rule{RecordsMax: 2, BytesMax: 1000, Attempts: 3}, 0, numbered(3), 106)
	story, _, dead := play(p, with(102))
	if got, want := strings.Join(story, ", "), "✗100..102, ✗100..102, ✗100..102 †100/3 †102/3, 104..104"; got != want || len(dead) != 2 {
		t.Errorf("%s\nwant %s", got, want)
	}
}

func TestPlan_ARecordThatIsTooLargeIsGivenUpAloneAndUntried(t *testing.T) {
	records := numbered(4)
	records[1].JSON = nil
	p := newPlan(Rule{RecordsMax: 10, BytesMax: 1000, Attempts: 3, Bisect: true}, 0, records, 200)
	story, _, _ := play(p, with(-1))
	if got, want := strings.Join(story, ", "), "100..100, ✗102..102 †102/0, 104..106"; got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
}

func TestPlan_ANamedRecordHoldsBackWhatFollowsUntilItIsGivenUp(t *testing.T) {
	p := newPlan(Rule{RecordsMax: 10, BytesMax: 1000, Attempts: 2, Bisect: true}, 0, numbered(4), 200)
	p.Next()
	taken, dead := p.FailedAt(102, Failure{})
	if taken != 1 || len(dead) != 0 || p.Through() != 102 {
		t.Fatalf("%d taken, %v dead, through %d", taken, dead, p.Through())
	}
	if batch := p.Next(); len(batch) != 3 || batch[0].Offset != 102 {
		t.Fatalf("%v is tried next", batch)
	}
	taken, dead = p.FailedAt(102, Failure{Reason: ReasonNamed})
	if taken != 0 || len(dead) != 1 || dead[0].Offset != 102 || dead[0].Attempts != 2 || p.Through() != 104 {
		t.Fatalf("%d taken, %v dead, through %d", taken, dead, p.Through())
	}
	if taken, dead = p.FailedAt(106, Failure{}); taken != 1 || dead != nil || p.Through() != 106 {
		t.Fatalf("%d taken, %v dead, through %d", taken, dead, p.Through())
	}
	p.Delivered()
	if p.Next() != nil || p.Through() != 200 {
		t.Errorf("through %d", p.Through())
	}
}

// Whatever fails: each record ends once, in order; only what is at fault dies where batches are bisected; and there is an end.
func TestPlan_EachRecordEndsOnceAndInOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		records := numbered(rapid.IntRange(1, 40).Draw(t, "records"))
		rule := Rule{RecordsMax: rapid.IntRange(1, 12).Draw(t, "batch"), BytesMax: rapid.IntRange(6, 80).Draw(t, "bytes"), Attempts: rapid.IntRange(1, 4).Draw(t, "attempts"), Bisect: rapid.Bool().Draw(t, "bisect")}
		poison := map[record.Offset]bool{}
		for _, r := range records {
			poison[r.Offset] = rapid.IntRange(0, 5).Draw(t, "kind") == 0
		}
		partial := rapid.Bool().Draw(t, "partial")
		p := newPlan(rule, 0, records, 1000)
		var ended []record.Offset
		through := record.Offset(0)
		for tries := 0; p.Next() != nil; tries++ {
			if tries > 50*len(records) {
				t.Fatal("there is no end")
			}
			if p.Through() < through {
				t.Fatalf("through %d after %d", p.Through(), through)
			}
			through = p.Through()
			batch := p.Next()
			if len(batch) > rule.RecordsMax {
				t.Fatalf("a batch of %d", len(batch))
			}
			i := slices.IndexFunc(batch, func(r Record) bool { return poison[r.Offset] })
			var dead []Letter
			switch {
			case i < 0:
				for _, r := range batch {
					ended = append(ended, r.Offset)
				}
				p.Delivered()
			case partial:
				var taken int
				if taken, dead = p.FailedAt(batch[i].Offset, Failure{}); taken != i {
					t.Fatalf("%d taken of %d", taken, i)
				}
				for _, r := range batch[:i] {
					ended = append(ended, r.Offset)
				}
			default:
				dead = p.Failed(Failure{})
			}
			for _, l := range dead {
				if !poison[l.Offset] && (rule.Bisect || partial) {
					t.Fatalf("%d died, and was well", l.Offset)
				}
				ended = append(ended, l.Offset)
			}
		}
		if len(ended) != len(records) || !slices.IsSorted(ended) || len(slices.Compact(slices.Clone(ended))) != len(records) || p.Through() != 1000 {
			t.Fatalf("%v ended of %d, through %d", ended, len(records), p.Through())
		}
	})
}
