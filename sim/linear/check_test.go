package linear

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/firnlog/firnlog/sim/queues"
)

// at makes a call between two seconds.
func at(from, to int, o Op) Op {
	o.From, o.To = time.Duration(from)*time.Second, time.Duration(to)*time.Second
	if to < 0 {
		o.To = Never
	}
	return o
}

func app(value, base int64) Op  { return Op{Kind: Append, Value: value, Base: base, Records: 2} }
func read(value, base int64) Op { return Op{Kind: Read, Value: value, Base: base, Records: 2} }
func empty(base int64) Op       { return Op{Kind: Empty, Base: base} }
func bounds(start, end int64) Op {
	return Op{Kind: Bounds, Base: start, End: end}
}
func del(before, start int64) Op { return Op{Kind: Delete, Base: before, End: start} }
func outOfRange(base int64) Op   { return Op{Kind: OutOfRange, Base: base} }

func TestCheck_RejectsWhatIsNoSharedLog(t *testing.T) {
	for name, ops := range map[string][]Op{
		"an append that overtakes one acknowledged before": {at(1, 2, app(1, 2)), at(3, 4, app(2, 0))},
		"an acknowledged append that an end leaves out":    {at(1, 2, app(1, 0)), at(3, 4, bounds(0, 0))},
		"an empty read where something was acknowledged":   {at(1, 2, app(1, 0)), at(3, 4, empty(0))},
		"an end that goes back":                            {at(1, 9, app(1, 0)), at(2, 3, bounds(0, 2)), at(4, 5, bounds(0, 0))},
		"a read before it was sent":                        {at(1, 2, read(1, 0)), at(3, 4, app(1, 0))},
		"read without an answer before it was sent":        {at(1, 2, read(1, 0)), at(3, -1, app(1, Unknown))},
		"one offset with two batches":                      {at(1, 2, app(1, 0)), at(3, 4, app(2, 0))},
		"one batch at two offsets":                         {at(1, 2, app(1, 0)), at(3, 4, read(1, 2))},
		"a batch that nobody sent":                         {at(1, 2, read(1, 0))},
		"deleted records that come back":                   {at(1, 2, app(1, 0)), at(3, 4, del(2, 2)), at(5, 6, bounds(0, 2))},
		"a log start that nobody has asked for":            {at(1, 2, app(1, 0)), at(3, 4, bounds(1, 2))},
		"a deletion told too low":                          {at(1, 2, app(1, 0)), at(3, 4, del(2, 1))},
		"out of range though it is there":                  {at(1, 2, app(1, 0)), at(3, 4, outOfRange(1))},
		"an end beyond what is read there later":           {at(1, 2, bounds(0, 2)), at(3, 4, app(1, 0))},
	} {
		if v := Check(ops, time.Minute); v.Wrong == "" {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestCheck_AcceptsWhatMayBe(t *testing.T) {
	for name, ops := range map[string][]Op{
		"appends at once in either order":         {at(1, 5, app(1, 2)), at(2, 6, app(2, 0))},
		"an end while an append is on its way":    {at(1, 9, app(1, 0)), at(2, 3, bounds(0, 0)), at(4, 5, bounds(0, 2))},
		"without an answer, and never seen":       {at(1, -1, app(1, Unknown)), at(2, 3, app(2, 0)), at(4, 5, bounds(0, 2))},
		"without an answer, seen late":            {at(1, -1, app(1, Unknown)), at(2, 3, bounds(0, 0)), at(4, 5, read(1, 0))},
		"markers between":                         {at(1, 2, app(1, 0)), at(3, 4, bounds(0, 3)), at(5, 6, app(2, 3)), at(7, 8, empty(5))},
		"a deletion without an answer, done late": {at(1, 2, app(1, 0)), at(3, -1, del(2, Unknown)), at(4, 5, bounds(0, 2)), at(6, 7, bounds(2, 2))},
		"a read of old data in hand":              {at(1, 2, app(1, 0)), at(3, 4, del(2, 2)), at(5, 6, read(1, 0)), at(5, 6, outOfRange(1))},
		"nothing":                                 {},
	} {
		if v := Check(ops, time.Minute); v.Wrong != "" || v.Undecided > 0 {
			t.Errorf("%s: %+v", name, v)
		}
	}
}

// long is a good history of many clients at once; some have no answer.
func long(seed uint64, n int) []Op {
	d := rand.New(rand.NewPCG(seed, 1))
	var ops []Op
	var end int64
	for i := range n {
		now, width := 100*i, 1+d.IntN(700)
		switch d.IntN(4) {
		case 0, 1:
			o := at(now-d.IntN(width), now+d.IntN(width), app(int64(i), end))
			switch d.IntN(20) {
			case 0:
				o.Base, o.To = Unknown, Never
			case 1:
				o.To = Never
			}
			ops = append(ops, o, at(now+2000, now+2001, read(int64(i), end)))
			end += 2
		case 2:
			ops = append(ops, at(now-d.IntN(width), now+d.IntN(width), bounds(0, end)))
		case 3:
			ops = append(ops, at(now-d.IntN(width), now+d.IntN(width), empty(end)))
		}
		if d.IntN(30) == 0 {
			end++ // a marker
		}
	}
	return ops
}

// TestCheck_FindsOneLieInALongHistory: in windows as in one, and in short time.
func TestCheck_FindsOneLieInALongHistory(t *testing.T) {
	for seed := range uint64(20) {
		ops := long(seed, 4000)
		v := Check(ops, time.Minute)
		if v.Wrong != "" || v.Undecided > 0 || v.Windows < 2 {
			t.Fatalf("seed %d: %+v", seed, v)
		}
		for i := len(ops) / 2; ; i++ {
			if o := &ops[i]; o.Kind == Bounds {
				o.End -= 20
				break
			}
		}
		if v := Check(ops, time.Minute); !strings.Contains(v.Wrong, "no order") {
			t.Errorf("seed %d: an end that goes back is accepted: %+v", seed, v)
		}
	}
}

func TestQueues_TakesSendsAndPollsApart(t *testing.T) {
	send := func(key queues.Key, v queues.Value, offset int64) queues.Step {
		return queues.Step{Key: key, Value: v, Offset: offset, Sent: true}
	}
	h := &queues.History{Ops: []queues.Op{
		{Start: 1, End: 2, Outcome: queues.Done, Steps: []queues.Step{send(0, 1, 0)}},
		{Start: 1, End: 2, Steps: []queues.Step{send(1, 2, queues.NoOffset)}},
		{Start: 3, End: 4, Outcome: queues.Done, Steps: []queues.Step{{Key: 0, Value: 1, Offset: 0}, {Key: 1, Value: 2, Offset: 7}}},
		{Start: 5, End: 6, Outcome: queues.Done, Steps: []queues.Step{send(0, 3, 1)}},
	}}
	parts := Queues(h)
	for k, ops := range parts {
		if v := Check(ops, time.Minute); v.Wrong != "" {
			t.Errorf("key %d: %+v", k, v)
		}
	}
	if got := fmt.Sprint(len(parts[0]), len(parts[1])); got != "3 2" {
		t.Errorf("%s calls", got)
	}
	h.Ops[3].Steps[0].Offset, h.Ops[0].Steps[0].Offset, h.Ops[2].Steps[0].Offset = 0, 1, 1 // sent later, and placed before
	if v := Check(Queues(h)[0], time.Minute); v.Wrong == "" {
		t.Error("a send that overtakes one acknowledged before is accepted")
	}
}
