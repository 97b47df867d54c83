package sim

import (
	"testing"

	"github.com/firnlog/firnlog/core/fetch"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/record"
)

// inTransaction makes a batch of two records in a transaction, and appends it with a serial.
func (h *hand) inTransaction(n byte, t *transaction, first int32, serial int64) (*Sent, []byte) {
	h.uids++
	s := &Sent{UID: h.uids, Partition: h.partition(0), Records: 2, Producer: 7, Sequence: first}
	batch, err := record.NewBatch(record.Settings{Sequence: sequence(first), Transactional: true}).Append(h.uids, nil, []byte("a")).Append(h.uids, nil, []byte("b")).Seal()
	if err != nil {
		h.t.Fatal(err)
	}
	header, _ := record.ReadHeader(batch)
	s.CRC = header.CRC
	h.judge.Begun(t, s)
	h.judge.Send(s)
	c, err := ledger.DecodeCommit(h.store(n, batch))
	if err != nil {
		h.t.Fatal(err)
	}
	c.Runs[0].Entries[0].Serial = serial
	h.put(h.keys.Commit(h.id(n)), c.Encode(), true)
	return s, batch
}

func (h *hand) mark(n byte, serial int64, commit bool) {
	c := ledger.Commit{Markers: []ledger.Marker{{Producer: 7, Serial: serial, Commit: commit, Partitions: []record.TopicPartition{h.partition(0)}}}}
	h.put(h.keys.Commit(h.id(n)), c.Encode(), true)
}

// badTransactions are histories whose transactions are.
func badTransactions() map[string]func(h *hand) {
	return map[string]func(h *hand){
		"torn transaction": func(h *hand) {
			t := &transaction{id: "x"}
			s, _ := h.inTransaction(1, t, 0, 1)
			h.judge.ToldEnded(t, true, []int64{s.UID})
		},
		"hanging transaction": func(h *hand) {
			h.inTransaction(1, &transaction{id: "x"}, 0, 1)
			h.judge.NothingOpen()
		},
		"aborted or early read": func(h *hand) {
			_, b := h.inTransaction(1, &transaction{id: "x"}, 0, 1)
			h.mark(2, 1, false)
			h.judge.ReadCommitted("somebody", 0, &fetch.Result{TopicPartition: h.partition(0), Batches: stamped(b, 0)})
		},
	}
}

func TestJudge_RejectsTransactionsThatAreTorn(t *testing.T) {
	for name, history := range map[string]func(h *hand, t *transaction){
		"one part committed, another aborted": func(h *hand, t *transaction) {
			h.inTransaction(1, t, 0, 1)
			h.mark(2, 1, true)
			h.inTransaction(3, t, 2, 2)
			h.mark(4, 2, false)
		},
		"acknowledged and not there": func(h *hand, t *transaction) {
			h.inTransaction(1, t, 0, 1)
			h.mark(2, 1, true)
			lost, _ := h.batch(sequence(2))
			h.judge.Begun(t, lost)
			h.judge.ToldEnded(t, true, []int64{lost.UID})
		},
		"told to be aborted": func(h *hand, t *transaction) {
			h.judge.ToldEnded(t, false, nil)
			h.inTransaction(1, t, 0, 1)
			h.mark(2, 1, true)
		},
	} {
		h := newHand(t)
		if history(h, &transaction{id: "x"}); len(h.found) == 0 || h.found[0].Checker != "torn transaction" {
			t.Errorf("%s: found %v", name, h.found)
		}
	}
}

func TestJudge_AcceptsGoodTransactions(t *testing.T) {
	h := newHand(t)
	one, two := &transaction{id: "x"}, &transaction{id: "x"}
	a, ab := h.inTransaction(1, one, 0, 1)
	h.mark(2, 1, true)
	h.judge.ToldEnded(one, true, []int64{a.UID})
	_, bb := h.inTransaction(3, two, 2, 2)
	h.mark(4, 2, false)
	h.judge.ToldEnded(two, false, nil)
	marker := record.Marker{Producer: 7}
	body := append(stamped(ab, 0), stamped(bb, 3)...)
	body = append(body, stamped(marker.Batch(), 5)...)
	h.judge.ReadCommitted("somebody", 0, &fetch.Result{TopicPartition: h.partition(0), Batches: body, Aborted: []fetch.Aborted{{Producer: 7, First: 3}}})
	h.judge.NothingOpen()
	if len(h.found) > 0 {
		t.Errorf("found %v", h.found)
	}
}
