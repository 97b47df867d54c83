package sim

import (
	"errors"
	"testing"

	"github.com/oklog/ulid/v2"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/segment"
)

// hand is a history made by hand, of one topic with two partitions at first.
type hand struct {
	t     *testing.T
	judge *Judge
	keys  coordination.Keys
	rev   coordination.Revision
	found []Violation
	uids  int64
	topic record.TopicID
}

func newHand(t *testing.T) *hand {
	h := &hand{t: t, keys: coordination.NewKeys("hand"), rev: 10, topic: record.TopicID{1}}
	h.judge = NewJudge(h.keys, func(v Violation) { h.found = append(h.found, v) }, func(string, string) {})
	h.judge.every = 1
	format := ledger.Format{Version: ledger.FormatVersion, Era: "e"}
	h.put(h.keys.Format(), format.Encode(), true, h.keys.Floor(), coordination.Mark(10).Bytes(), h.keys.Stamp(), coordination.Mark(11).Bytes())
	h.put(h.keys.Topic("t"), (&ledger.Topic{ID: h.topic, Partitions: 2}).Encode(), true)
	return h
}

// put makes a revision of one key, and of more pairs of keys and values.
func (h *hand) put(key string, value []byte, create bool, more ...any) {
	h.rev++
	e := coordination.Event{Key: key, Value: value, Revision: h.rev, Create: 5}
	if create {
		e.Create = h.rev
	}
	events := []coordination.Event{e}
	for i := 0; i < len(more); i += 2 {
		events = append(events, coordination.Event{Key: more[i].(string), Value: more[i+1].([]byte), Revision: h.rev, Create: h.rev})
	}
	h.judge.Revision(h.rev, events)
}

func (h *hand) id(n byte) ulid.ULID { return ulid.ULID{5: 100, 15: n} }

func (h *hand) partition(n int32) record.TopicPartition {
	return record.TopicPartition{Topic: h.topic, Partition: n}
}

// batch makes a batch of two records and tells the judge that it will be sent.
func (h *hand) batch(sequence *record.Sequence) (*Sent, []byte) {
	h.uids++
	bytes, err := record.NewBatch(record.Settings{Sequence: sequence}).Append(h.uids, nil, []byte("a")).Append(h.uids, nil, []byte("b")).Seal()
	if err != nil {
		h.t.Fatal(err)
	}
	header, _ := record.ReadHeader(bytes)
	s := &Sent{UID: h.uids, Partition: h.partition(0), Records: 2, CRC: header.CRC, Producer: record.NoProducer}
	if sequence != nil {
		s.Producer, s.Epoch, s.Sequence = sequence.Producer, sequence.Epoch, sequence.First
	}
	h.judge.Send(s)
	return s, bytes
}

// store puts a segment of batches and gives the value of its commit.
func (h *hand) store(n byte, batches ...[]byte) []byte {
	sealed, err := segment.Seal([]segment.Partition{{TopicPartition: h.partition(0), Batches: batches}})
	if err != nil {
		h.t.Fatal(err)
	}
	var body []byte
	for _, c := range sealed.Chunks {
		body = append(body, c...)
	}
	h.judge.Stored(ledger.SegmentKey(h.id(n)), body)
	run := ledger.Run{Partition: h.partition(0), Position: sealed.Runs[0].Position}
	for _, b := range batches {
		header, _ := record.ReadHeader(b)
		e := ledger.Entry{Records: int64(header.Records), Bytes: int64(header.Size), Producer: header.Producer, Epoch: header.Epoch, Sequence: header.FirstSequence}
		run.Entries = append(run.Entries, e)
	}
	c := ledger.Commit{Segments: []ledger.SegmentRef{{ID: h.id(n), Size: sealed.Size}}, Runs: []ledger.Run{run}}
	return c.Encode()
}

// append stores and commits batches.
func (h *hand) append(n byte, batches ...[]byte) {
	h.put(h.keys.Commit(h.id(n)), h.store(n, batches...), true)
}

// stamped is a batch as it is read at an offset.
func stamped(b []byte, base record.Offset) []byte {
	out := append([]byte(nil), b...)
	record.Stamp(out, base)
	return out
}

// TestJudge_RejectsEachBadHistory: every checker must find the history that was made for it, and
// nothing else must be wrong with it.
func TestJudge_RejectsEachBadHistory(t *testing.T) {
	for _, histories := range []map[string]func(h *hand){badCommits(), badAnswers(), badTransactions(), badAging()} {
		for checker, history := range histories {
			t.Run(checker, func(t *testing.T) {
				h := newHand(t)
				if history(h); len(h.found) == 0 || h.found[0].Checker != checker {
					t.Errorf("found %v", h.found)
				}
			})
		}
	}
}

// sequence is that of the producer of all histories here.
func sequence(first int32) *record.Sequence { return &record.Sequence{Producer: 7, First: first} }

// badCommits are histories whose stream itself is wrong.
func badCommits() map[string]func(h *hand) {
	return map[string]func(h *hand){
		"producer id twice":      func(h *hand) { h.judge.Handed(7); h.judge.Handed(7) },
		"fold":                   func(h *hand) { h.put(h.keys.Commit(h.id(1)), []byte{99}, true) },
		"marks grow":             func(h *hand) { h.put(h.keys.Floor(), coordination.Mark(9).Bytes(), false) },
		"one commit a revision":  badTwoCommits,
		"innocent batch refused": badRefused,
		"reference to a missing object": func(h *hand) {
			_, b := h.batch(nil)
			value := h.store(1, b)
			h.judge.Removed(ledger.SegmentKey(h.id(1)))
			h.put(h.keys.Commit(h.id(1)), value, true)
		},
		"one segment committed twice": func(h *hand) {
			_, b := h.batch(nil)
			value := h.store(1, b)
			h.put(h.keys.Commit(h.id(1)), value, true)
			h.put(h.keys.Commit(h.id(2)), value, true)
		},
		"bytes": func(h *hand) {
			s, b := h.batch(nil)
			s.CRC++
			h.append(1, b)
		},
		"appended twice": func(h *hand) {
			_, b := h.batch(nil)
			h.append(1, b)
			h.append(2, b)
		},
		"locked out": func(h *hand) {
			_, b := h.batch(sequence(0))
			h.append(1, b)
			s, _ := h.batch(sequence(2))
			h.judge.ToldOutOfTurn(s.UID)
		},
		"duplicate of another": func(h *hand) {
			_, b := h.batch(sequence(0))
			_, other := h.batch(sequence(0))
			h.append(1, b)
			h.append(2, other)
		},
		"outcome": func(h *hand) {
			_, b := h.batch(sequence(0))
			h.append(1, b)
			h.judge.log(h.partition(0)).producers[7].epoch = 3 // the judge knows a newer epoch
			_, b = h.batch(sequence(2))
			h.append(2, b)
		},
		"contiguous offsets": func(h *hand) {
			_, b := h.batch(nil)
			h.append(1, b)
			h.judge.log(h.partition(0)).next = 5
			_, b = h.batch(nil)
			h.append(2, b)
		},
	}
}

// badAnswers are histories in which somebody was told, or lost, what must not be.
func badAnswers() map[string]func(h *hand) {
	return map[string]func(h *hand){
		"referenced object deleted": func(h *hand) {
			_, b := h.batch(nil)
			h.append(1, b)
			h.judge.Removed(ledger.SegmentKey(h.id(1)))
		},
		"replicas differ": func(h *hand) {
			other := newHand(h.t)
			_, b := h.batch(nil)
			h.append(1, b)
			_, _ = other.batch(nil)
			_, b = other.batch(nil)
			other.append(2, b)
			h.judge.Compare("other", other.judge.shipped)
		},
		"acknowledged offset": func(h *hand) {
			s, b := h.batch(nil)
			h.append(1, b)
			h.judge.Acked(s.UID, 1)
		},
		"unknown though it is there":      func(h *hand) { h.judge.ToldUnknown(h.partition(1)) },
		"out of range though it is there": func(h *hand) { h.judge.OutOfRange("x", h.partition(0), 0) },
		"bytes lost":                      func(h *hand) { h.judge.Storage("x", h.partition(0), 0, errors.New("gone")) },
		"read after acknowledge":          func(h *hand) { h.judge.Empty("x", h.partition(0), 3, 4) },
		"topic admin":                     func(h *hand) { h.judge.ToldDeleted(h.topic) },
		"records deleted":                 func(h *hand) { h.judge.RecordsDeleted(h.partition(0), 3, 3) },
		"acknowledged lost": func(h *hand) {
			_, b := h.batch(nil)
			h.append(1, b)
			h.judge.ReadAll("x", h.partition(0), 0, 0)
		},
		"fenced without cause": func(h *hand) {
			s, b := h.batch(sequence(0))
			h.append(1, b)
			h.judge.ToldFenced(s.UID)
		},
		"offset by time": func(h *hand) {
			_, b := h.batch(nil)
			h.append(1, b)
			h.judge.FoundAtTime("x", h.partition(0), 1, 2, 2)
		},
		"memory bounded":            func(h *hand) { h.judge.Holds("x", 11, 10) },
		"served beyond its format":  func(h *hand) { h.judge.Served("x", "takes a batch") },
		"stuck after faults healed": func(h *hand) { h.judge.Stuck("x") },
		"commits never trimmed":     func(h *hand) { h.judge.AtRest(9, "", 0, "") },
		"orphans never swept":       func(h *hand) { h.judge.AtRest(0, "", 9, "") },
	}
}

func badTwoCommits(h *hand) {
	_, a := h.batch(nil)
	_, b := h.batch(nil)
	one, two := h.store(1, a), h.store(2, b)
	h.put(h.keys.Commit(h.id(1)), one, true, h.keys.Commit(h.id(2)), two)
}

// badRefused: the topic is deleted for the shipped fold, but not for the judge.
func badRefused(h *hand) {
	_, b := h.batch(nil)
	h.put(h.keys.Topic("t"), nil, false)
	h.judge.alive[h.topic] = 2
	h.append(1, b)
}

// TestJudge_RejectsReadsThatAreNotTheLog: gaps, repetitions and other bytes.
func TestJudge_RejectsReadsThatAreNotTheLog(t *testing.T) {
	for name, read := range map[string]func(h *hand, a, b []byte){
		"a gap":        func(h *hand, a, b []byte) { h.judge.Read("x", h.partition(0), 0, stamped(b, 2)) },
		"a repetition": func(h *hand, a, b []byte) { h.judge.Read("x", h.partition(0), 2, stamped(a, 0)) },
		"a repetition later": func(h *hand, a, b []byte) {
			h.judge.Read("x", h.partition(0), 0, append(stamped(a, 0), stamped(a, 0)...))
		},
		"another offset":      func(h *hand, a, b []byte) { h.judge.Read("x", h.partition(0), 0, stamped(b, 0)) },
		"beyond the end":      func(h *hand, a, b []byte) { h.judge.Read("x", h.partition(0), 4, stamped(a, 4)) },
		"broken bytes":        func(h *hand, a, b []byte) { c := stamped(a, 0); c[len(c)-1]++; h.judge.Read("x", h.partition(0), 0, c) },
		"bounds too low":      func(h *hand, a, b []byte) { h.judge.Ends("x", h.partition(0), 0, 2, 0, 4) },
		"bounds too high":     func(h *hand, a, b []byte) { h.judge.Ends("x", h.partition(0), 0, 5, 0, 4) },
		"log start went back": func(h *hand, a, b []byte) { h.judge.Ends("x", h.partition(0), 0, 4, 2, 4) },
	} {
		t.Run(name, func(t *testing.T) {
			h := newHand(t)
			_, a := h.batch(nil)
			_, b := h.batch(nil)
			h.append(1, a)
			h.append(2, b)
			if len(h.found) > 0 {
				t.Fatalf("already found %v", h.found)
			}
			if read(h, a, b); len(h.found) != 1 {
				t.Errorf("found %v", h.found)
			}
		})
	}
}

// TestJudge_AcceptsAGoodHistory: what is right is not rejected.
func TestJudge_AcceptsAGoodHistory(t *testing.T) {
	h := newHand(t)
	plain, a := h.batch(nil)
	idem, b := h.batch(&record.Sequence{Producer: 7})
	late, c := h.batch(&record.Sequence{Producer: 7, First: 4})
	h.append(1, a, b, c) // c comes before its turn
	h.append(2, b)       // again
	h.judge.Acked(plain.UID, 0)
	h.judge.Acked(idem.UID, 2)
	h.judge.ToldOld(idem.UID)
	h.judge.ToldOutOfTurn(late.UID)
	if at := h.judge.Read("x", h.partition(0), 0, append(stamped(a, 0), stamped(b, 2)...)); at != 4 {
		t.Errorf("read to %d", at)
	}
	h.judge.Read("x", h.partition(0), 3, stamped(b, 2))
	h.judge.ReadAll("x", h.partition(0), 0, 4)
	h.judge.Ends("x", h.partition(0), 0, 4, 0, 4)
	h.judge.FoundAtTime("x", h.partition(0), idem.UID, 2, 4)
	h.judge.FoundAtTime("x", h.partition(0), 1000, -1, 4)
	h.judge.OutOfRange("x", h.partition(0), 5)
	h.judge.Empty("x", h.partition(0), 4, 4)
	h.put(h.keys.Topic("t"), nil, false)
	h.judge.ToldUnknown(h.partition(0))
	h.judge.ToldDeleted(h.topic)
	h.judge.Removed(ledger.SegmentKey(h.id(1)))
	if len(h.found) > 0 {
		t.Errorf("found %v", h.found)
	}
}
