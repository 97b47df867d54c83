package queues

import (
	"slices"
	"testing"
	"time"
)

// hand is a history made by hand: one operation after the other, 10 ms each, unless said otherwise.
type hand struct{ History }

const tick = 10 * time.Millisecond

func (h *hand) add(process int, o Outcome, steps ...Step) *Op {
	start := time.Duration(len(h.Ops)) * tick
	h.Ops = append(h.Ops, Op{Process: process, Outcome: o, Start: start, End: start + tick/2, Steps: steps})
	op := &h.Ops[len(h.Ops)-1]
	op.Polled = slices.ContainsFunc(steps, func(s Step) bool { return !s.Sent })
	return op
}

// transact adds a transaction.
func (h *hand) transact(process int, o Outcome, steps ...Step) *Op {
	op := h.add(process, o, steps...)
	op.Transaction = true
	return op
}

// final reads some keys to their ends, each from its beginning.
func (h *hand) final(keys []Key, steps ...Step) {
	op := h.add(99, Done, steps...)
	op.Final, op.Keys, op.Polled = true, keys, true
}

// becomes makes the process have these keys.
func (h *hand) becomes(process int, kind Kind, keys ...Key) *Op {
	op := h.add(process, Done)
	op.Kind, op.Keys = kind, keys
	return op
}

func sent(k Key, offset int64, v Value) Step {
	return Step{Key: k, Offset: offset, Value: v, Sent: true}
}
func made(k Key, offset int64, v, source Value) Step {
	return Step{Key: k, Offset: offset, Value: v, Source: source, Sent: true}
}
func read(k Key, offset int64, v Value) Step { return Step{Key: k, Offset: offset, Value: v} }

// pair is a history that must be rejected for one reason alone, and one that is almost the same and right.
type pair struct {
	class      Class
	name       string
	bad, right func(h *hand)
}

// log sends values n.. at 0.. to key 1, by process 7.
func (h *hand) log(values int) {
	for i := range values {
		h.add(7, Done, sent(1, int64(i), Value(i+1)))
	}
}

func TestCheck_RejectsEachAnomalyAndAcceptsItsNeighbour(t *testing.T) {
	for _, p := range slices.Concat(writes(), transactions(), polls(), orders(), results()) {
		t.Run(string(p.class)+" "+p.name, func(t *testing.T) {
			bad, right := &hand{}, &hand{}
			p.bad(bad)
			p.right(right)
			if r := Check(&bad.History); len(r.Anomalies) != 1 || r.Anomalies[p.class] == 0 {
				t.Errorf("found %v in the one that must be rejected", r.Findings)
			}
			if r := Check(&right.History); !r.Good() {
				t.Errorf("found %v in the one that is right", r.Findings)
			}
		})
	}
}

func writes() []pair {
	return []pair{
		{Phantom, "", func(h *hand) { h.add(1, Done, read(1, 0, 5)) },
			func(h *hand) { h.add(7, Unknown, sent(1, NoOffset, 5)); h.add(1, Done, read(1, 0, 5)) }},
		{InconsistentOffsets, "two are told one offset", func(h *hand) {
			h.add(1, Done, sent(1, 0, 5))
			h.add(2, Done, sent(1, 0, 6))
			h.add(3, Done, read(1, 0, 5))
		}, func(h *hand) {
			h.add(1, Done, sent(1, 0, 5))
			h.add(2, Done, sent(2, 0, 6))
			h.add(3, Done, read(1, 0, 5), read(2, 0, 6))
		}},
		{InconsistentOffsets, "two read different values", func(h *hand) {
			h.add(1, Unknown, sent(1, NoOffset, 5))
			h.add(1, Unknown, sent(1, NoOffset, 6))
			h.add(2, Done, read(1, 3, 5))
			h.add(3, Done, read(1, 3, 6))
		}, func(h *hand) {
			h.add(1, Unknown, sent(1, NoOffset, 5))
			h.add(1, Unknown, sent(1, NoOffset, 6))
			h.add(2, Done, read(1, 3, 5))
			h.add(3, Done, read(1, 3, 5))
		}},
		{Duplicate, "", func(h *hand) { h.log(2); h.add(2, Done, read(1, 0, 1), read(1, 1, 2), read(1, 2, 1)) },
			func(h *hand) { h.log(2); h.add(2, Done, read(1, 0, 1), read(1, 1, 2)) }},
		{LostWrite, "", func(h *hand) { h.log(3); h.add(2, Done, read(1, 0, 1)); h.add(3, Done, read(1, 2, 3)) },
			// Nobody knows of the second whether it was appended.
			func(h *hand) {
				h.add(7, Done, sent(1, 0, 1))
				h.add(7, Unknown, sent(1, NoOffset, 2))
				h.add(7, Done, sent(1, 2, 3))
				h.add(2, Done, read(1, 0, 1), read(1, 2, 3))
			}},
		{Unseen, "", func(h *hand) { h.log(2); h.add(2, Done, read(1, 0, 1)) },
			func(h *hand) {
				h.log(1)
				h.add(7, Unknown, sent(1, NoOffset, 2))
				h.add(2, Done, read(1, 0, 1))
			}},
		{Unseen, "behind a transaction that hangs", func(h *hand) {
			h.log(2)
			h.add(2, Done, read(1, 0, 1), read(1, 1, 2)).Uncommitted = true
			h.final([]Key{1}, read(1, 0, 1))
		}, func(h *hand) {
			h.log(2)
			h.add(2, Done, read(1, 0, 1), read(1, 1, 2)).Uncommitted = true
			h.final([]Key{1}, read(1, 0, 1), read(1, 1, 2))
		}},
	}
}

func transactions() []pair {
	return []pair{
		{TornTransaction, "committed", func(h *hand) {
			h.transact(1, Done, sent(1, 0, 5), sent(2, 0, 6))
			h.add(7, Done, sent(2, 2, 7))
			h.final([]Key{1, 2}, read(1, 0, 5), read(2, 2, 7))
		}, func(h *hand) {
			h.transact(1, Failed, sent(1, 0, 5), sent(2, 0, 6))
			h.add(7, Done, sent(2, 2, 7))
			h.final([]Key{1, 2}, read(2, 2, 7))
		}},
		{TornTransaction, "its end is unknown", func(h *hand) {
			h.transact(1, Unknown, sent(1, 0, 5), sent(2, 0, 6))
			h.final([]Key{1, 2}, read(1, 0, 5))
		}, func(h *hand) { // the second was never acknowledged
			h.transact(1, Unknown, sent(1, 0, 5), sent(2, NoOffset, 6))
			h.final([]Key{1, 2}, read(1, 0, 5))
		}},
		{LostWrite, "a whole transaction", func(h *hand) {
			h.transact(1, Done, sent(1, 0, 5), sent(1, 1, 6))
			h.add(7, Done, sent(1, 3, 7))
			h.final([]Key{1}, read(1, 3, 7))
		}, func(h *hand) {
			h.transact(1, Unknown, sent(1, 0, 5), sent(1, 1, 6))
			h.add(7, Done, sent(1, 3, 7))
			h.final([]Key{1}, read(1, 3, 7))
		}},
		{AbortedRead, "", func(h *hand) { h.transact(1, Failed, sent(1, 0, 5)); h.add(2, Done, read(1, 0, 5)) },
			func(h *hand) { h.transact(1, Failed, sent(1, 0, 5)); h.add(2, Done, read(1, 0, 5)).Uncommitted = true }},
		{AbortedRead, "a send that was refused", func(h *hand) {
			h.add(1, Failed, sent(1, NoOffset, 5))
			h.add(2, Done, read(1, 0, 5)).Uncommitted = true
		}, func(h *hand) {
			h.add(1, Unknown, sent(1, NoOffset, 5))
			h.add(2, Done, read(1, 0, 5)).Uncommitted = true
		}},
		{PrecommittedRead, "its own", func(h *hand) { h.transact(1, Done, sent(1, 0, 5), read(1, 0, 5)) },
			func(h *hand) { h.transact(1, Done, sent(1, 0, 5)); h.transact(1, Done, read(1, 0, 5)) }},
		{PrecommittedRead, "another's", func(h *hand) {
			h.transact(1, Done, sent(1, 0, 5)).Ending = 4 * tick
			h.add(2, Done, read(1, 0, 5))
		}, func(h *hand) {
			h.transact(1, Done, sent(1, 0, 5)).Ending = tick / 3
			h.add(2, Done, read(1, 0, 5))
		}},
		{G1c, "", func(h *hand) {
			h.transact(1, Done, sent(1, 0, 5), read(2, 0, 6))
			h.transact(2, Done, sent(2, 0, 6), read(1, 0, 5))
		}, func(h *hand) { // the cycle needs that one wrote behind the other: legal
			h.transact(1, Done, sent(1, 0, 5), read(2, 0, 6))
			h.transact(2, Done, sent(2, 0, 6), sent(1, 1, 7))
			h.add(3, Done, read(1, 0, 5), read(1, 1, 7))
		}},
	}
}

func polls() []pair {
	return []pair{
		{PollSkip, "", func(h *hand) { skipping(h); h.add(2, Done, read(1, 2, 3)) },
			func(h *hand) { skipping(h); h.becomes(2, Assign, 1).Afresh = true; h.add(2, Done, read(1, 2, 3)) }},
		{PollSkip, "the key stays assigned", func(h *hand) { skipping(h); h.becomes(2, Assign, 1, 2); h.add(2, Done, read(1, 2, 3)) },
			func(h *hand) {
				skipping(h)
				h.becomes(2, Assign, 2)
				h.becomes(2, Assign, 1)
				h.add(2, Done, read(1, 2, 3))
			}},
		{PollSkip, "of a group", func(h *hand) { skipping(h); h.add(2, Done, read(1, 2, 3)) },
			func(h *hand) { skipping(h); h.becomes(2, Rebalance, 1); h.add(2, Done, read(1, 2, 3)) }},
		{PollSkip, "over an open transaction", func(h *hand) {
			h.add(7, Done, sent(1, 0, 1))
			h.transact(8, Done, sent(1, 1, 2))
			h.add(7, Done, sent(1, 3, 3))
			h.add(2, Done, read(1, 0, 1), read(1, 1, 2), read(1, 3, 3))
			h.add(4, Done, read(1, 0, 1))
			h.add(4, Done, read(1, 3, 3))
		}, func(h *hand) { // it was aborted
			h.add(7, Done, sent(1, 0, 1))
			h.transact(8, Failed, sent(1, 1, 2))
			h.add(7, Done, sent(1, 3, 3))
			h.add(4, Done, read(1, 0, 1))
			h.add(4, Done, read(1, 3, 3))
		}},
		{NonmonotonicPoll, "", func(h *hand) { reading(h); h.add(2, Done, read(1, 1, 2)) },
			func(h *hand) { reading(h); h.add(2, Done).Kind = Crash; h.add(2, Done, read(1, 1, 2)) }},
		{NonmonotonicPoll, "the same again", func(h *hand) { reading(h); h.add(2, Done, read(1, 2, 3)) },
			func(h *hand) { reading(h); h.add(3, Done, read(1, 2, 3)) }},
		{IntPollSkip, "", func(h *hand) { skipping(h); h.add(4, Done, read(1, 0, 1), read(1, 2, 3)) },
			func(h *hand) { skipping(h); h.add(4, Done, read(1, 0, 1), read(1, 1, 2), read(1, 2, 3)) }},
		{IntNonmonotonicPoll, "", func(h *hand) { skipping(h); h.add(4, Done, read(1, 1, 2), read(1, 0, 1)) },
			func(h *hand) { skipping(h); h.add(4, Done, read(1, 0, 1), read(1, 1, 2)) }},
	}
}

// reading: process 2 has read the first three of three values.
func reading(h *hand) {
	h.log(3)
	h.add(2, Done, read(1, 0, 1), read(1, 1, 2), read(1, 2, 3))
}

// skipping: process 3 has read three values, process 2 the first of them.
func skipping(h *hand) {
	h.log(3)
	h.add(3, Done, read(1, 0, 1), read(1, 1, 2), read(1, 2, 3))
	h.becomes(2, Assign, 1)
	h.add(2, Done, read(1, 0, 1))
}

func orders() []pair {
	all := func(h *hand) { h.add(3, Done, read(1, 0, 1), read(1, 1, 2)) }
	return []pair{
		{NonmonotonicSend, "", func(h *hand) { h.add(1, Done, sent(1, 1, 2)); h.add(1, Done, sent(1, 0, 1)); all(h) },
			func(h *hand) { h.add(1, Done, sent(1, 1, 2)); h.add(2, Done, sent(1, 0, 1)); all(h) }},
		{NonmonotonicSend, "one that was read", func(h *hand) { h.add(1, Done, sent(1, 1, 2)); h.add(1, Unknown, sent(1, NoOffset, 1)); all(h) },
			// Of one without an answer nobody knows when it comes.
			func(h *hand) { h.add(1, Unknown, sent(1, NoOffset, 2)); h.add(1, Done, sent(1, 0, 1)); all(h) }},
		{IntNonmonotonicSend, "", func(h *hand) { h.transact(1, Done, sent(1, 1, 2), sent(1, 0, 1)); all(h) },
			func(h *hand) { h.transact(1, Done, sent(1, 0, 1), sent(1, 1, 2)); all(h) }},
	}
}

func results() []pair {
	return []pair{
		{ProcessedTwice, "", func(h *hand) {
			h.log(1)
			h.transact(2, Done, read(1, 0, 1), made(2, 0, 50, 1))
			h.transact(3, Done, read(1, 0, 1), made(2, 2, 51, 1))
			h.final([]Key{2}, read(2, 0, 50), read(2, 2, 51))
		}, func(h *hand) {
			h.log(1)
			h.transact(2, Failed, read(1, 0, 1), made(2, 0, 50, 1))
			h.transact(3, Done, read(1, 0, 1), made(2, 2, 51, 1))
			h.final([]Key{2}, read(2, 2, 51))
		}},
		{Unprocessed, "", func(h *hand) {
			h.log(2)
			h.transact(2, Done, read(1, 0, 1), read(1, 1, 2), made(2, 0, 50, 1))
			h.final([]Key{2}, read(2, 0, 50))
			h.Drained = []Key{1}
		}, func(h *hand) {
			h.log(2)
			h.transact(2, Done, read(1, 0, 1), read(1, 1, 2), made(2, 0, 50, 1), made(2, 1, 51, 2))
			h.final([]Key{2}, read(2, 0, 50), read(2, 1, 51))
			h.Drained = []Key{1}
		}},
	}
}
