package queues

import (
	"testing"
	"time"
)

func TestCheck_CountsWhatKafkaAllows(t *testing.T) {
	for class, history := range map[Class]func(h *hand){
		G0: func(h *hand) {
			h.transact(1, Done, sent(1, 0, 1), sent(2, 1, 2))
			h.transact(2, Done, sent(1, 1, 3), sent(2, 0, 4))
			h.add(3, Done, read(1, 0, 1), read(1, 1, 3), read(2, 0, 4), read(2, 1, 2))
		},
		G1cByWrites: func(h *hand) {
			h.transact(1, Done, sent(1, 0, 5), read(2, 0, 6))
			h.transact(2, Done, sent(2, 0, 6), sent(1, 1, 7))
			h.add(3, Done, read(1, 0, 5), read(1, 1, 7))
		},
		IntSendSkip: func(h *hand) {
			h.transact(1, Done, sent(1, 0, 1), sent(1, 2, 2))
			h.add(2, Done, sent(1, 1, 3))
			h.add(3, Done, read(1, 0, 1), read(1, 1, 3), read(1, 2, 2))
		},
		PollMoved: func(h *hand) {
			reading(h)
			h.becomes(2, Rebalance, 1)
			h.add(2, Done, read(1, 1, 2))
		},
	} {
		h := &hand{}
		history(h)
		if r := Check(&h.History); !r.Good() || r.Legal[class] != 1 || len(r.Legal) != 1 {
			t.Errorf("%s: %v", class, r)
		}
	}
}

func TestCheck_LagIsTheOldestThatAPollDidNotComeTo(t *testing.T) {
	h := &hand{}
	h.log(4) // known at 5, 15, 25 and 35 ms
	h.becomes(2, Assign, 1)
	h.add(2, Done, read(1, 0, 1), read(1, 1, 2)) // begins at 50 ms
	h.add(2, Done, read(1, 2, 3)).Start += 3 * time.Millisecond
	h.add(2, Done, read(1, 3, 4))
	r := Check(&h.History)
	if want := (Lag{28 * time.Millisecond, 63 * time.Millisecond, 2, 1}); !r.Good() || r.Lag != want {
		t.Errorf("lag %v, want %v; %v", r.Lag, want, r)
	}
}

func TestCheck_OrderOfRecordingDoesNotMatter(t *testing.T) {
	h := &hand{}
	skipping(h)
	h.add(2, Done, read(1, 2, 3))
	h.Ops[0], h.Ops[4] = h.Ops[4], h.Ops[0]
	if r := Check(&h.History); len(r.Anomalies) != 1 || r.Anomalies[PollSkip] != 1 {
		t.Errorf("found %v", r.Findings)
	}
}

// crowd is a history of n operations without anomalies: transactions of three sends each to 16 keys, and 16 readers.
func crowd(n int) *History {
	const keys = 16
	h := &hand{}
	var value Value
	next, at := [keys]int64{}, [keys]Value{}
	held := [keys][]Step{}
	for i := range n {
		if k := Key(i / 4 % keys); i%4 == 3 {
			h.add(100+int(k), Done, held[k]...).Polled = true
			held[k] = nil
			continue
		}
		var steps []Step
		for j := range 3 {
			k := Key((i + 5*j) % keys)
			value++
			steps = append(steps, sent(k, next[k], value))
			held[k] = append(held[k], read(k, next[k], value))
			next[k]++
			at[k] = value
		}
		h.transact(i%50, Done, steps...)
	}
	for k := range Key(keys) {
		h.add(100+int(k), Done, held[k]...)
	}
	return &h.History
}

func TestCheck_ManyOperationsTakeLittleTime(t *testing.T) {
	h := crowd(200_000)
	start := time.Now()
	r := Check(h)
	if took := time.Since(start); !r.Good() || took > 30*time.Second { // a second, were it not for the race detector and busy machines
		t.Errorf("%v in %v", r, took)
	}
}

func BenchmarkCheck_AMillionOperations(b *testing.B) {
	h := crowd(1_000_000)
	for b.Loop() {
		if r := Check(h); !r.Good() {
			b.Fatal(r)
		}
	}
}
