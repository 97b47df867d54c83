package compact

import (
	"fmt"
	"testing"

	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/record"
)

func batchAt(t *testing.T, at record.Offset, producer record.ProducerID, pairs ...string) []byte {
	t.Helper()
	s := record.Settings{}
	if producer >= 0 {
		s.Transactional, s.Sequence = true, &record.Sequence{Producer: producer}
	}
	b := record.NewBatch(s)
	for i := 0; i < len(pairs); i += 2 {
		var value []byte
		if pairs[i+1] != "" {
			value = []byte(pairs[i+1])
		}
		b.Append(1000, []byte(pairs[i]), value)
	}
	sealed, err := b.Seal()
	if err != nil {
		t.Fatal(err)
	}
	record.Stamp(sealed, at)
	return sealed
}

func markerAt(at record.Offset, producer record.ProducerID, commit bool) []byte {
	b := record.Marker{Producer: producer, Commit: commit, Timestamp: 1000}.Batch()
	record.Stamp(b, at)
	return b
}

// pass compacts batches at a time, and tells what is left: offsets, "h" for a delete horizon, "e" for an empty batch.
func pass(t *testing.T, now int64, aborted []ledger.Aborted, batches *[][]byte) string {
	t.Helper()
	keys, end := newOffsets(1<<12), record.Offset(0)
	txns := newTransactions(true)
	txns.know(aborted, 0)
	for _, b := range *batches {
		h, _ := record.ReadHeader(b)
		end = h.LastOffset() + 1
		if h.IsControl() || txns.isAborted(h) {
			continue
		}
		for r := range record.Records(b, 1<<20) {
			keys.put(r.Key, h.OffsetOf(r))
		}
	}
	c := &chooser{keys: keys, through: end, end: end, txns: newTransactions(true), now: now, horizon: now + 100}
	c.txns.know(aborted, 0)
	var left [][]byte
	said := ""
	for _, b := range *batches {
		out, err := c.batch(b)
		if err != nil {
			t.Fatal(err)
		}
		if out == nil {
			continue
		}
		left = append(left, out)
		h, _ := record.ReadHeader(out)
		said += "["
		for r := range record.Records(out, 1<<20) {
			said += fmt.Sprint(h.OffsetOf(r))
		}
		if h.Records == 0 {
			said += "e"
		}
		if _, ok := h.DeleteHorizon(); ok {
			said += "h"
		}
		said += "]"
	}
	*batches = left
	return said
}

func TestChooser_TombstonesAndMarkersGoAfterTheirHorizonAndNotBefore(t *testing.T) {
	batches := [][]byte{
		batchAt(t, 0, -1, "a", "1", "b", "1"),
		batchAt(t, 2, 7, "a", "2"),
		markerAt(3, 7, true),
		batchAt(t, 4, 8, "a", "aborted"),
		markerAt(5, 8, false),
		batchAt(t, 6, -1, "a", "", "c", "1"),
		batchAt(t, 8, -1, "z", "1"),
	}
	aborted := []ledger.Aborted{{Producer: 8, First: 4, Last: 5}}
	for _, step := range []struct {
		now  int64
		want string
		why  string
	}{
		{1000, "[1][3][5][67h][8]", "data of the transactions goes, markers stay; the tombstone gets its horizon"},
		{1050, "[1][3h][5h][67h][8]", "nothing is left of the transactions: their markers get a horizon"},
		{1099, "[1][3h][5h][67h][8]", "too early for all"},
		{1100, "[1][3h][5h][7h][8]", "the tombstone's time is over"},
		{1150, "[1][7h][8]", "that of the markers too"},
	} {
		if got := pass(t, step.now, aborted, &batches); got != step.want {
			t.Fatalf("at %d: left %s, want %s: %s", step.now, got, step.want, step.why)
		}
	}
}

func TestChooser_TheLastBatchStaysThoughNothingOfItIsLeft(t *testing.T) {
	batches := [][]byte{batchAt(t, 0, -1, "a", "1"), markerAt(1, 8, false), batchAt(t, 2, 8, "a", "aborted")}
	aborted := []ledger.Aborted{{Producer: 8, First: 2, Last: 9}}
	if got := pass(t, 1000, aborted, &batches); got != "[0][1h][e]" {
		t.Fatalf("left %s", got)
	}
	batches = append(batches, batchAt(t, 3, -1, "b", "1"))
	if got := pass(t, 1200, aborted, &batches); got != "[0][3]" {
		t.Fatalf("later: left %s", got)
	}
}

func TestChooser_RecordsWithoutKeyGoAndThoseBeyondWhatIsKnownStay(t *testing.T) {
	keyless, err := record.NewBatch(record.Settings{}).Append(1, nil, []byte("x")).Seal()
	if err != nil {
		t.Fatal(err)
	}
	keys := newOffsets(1)
	if !keys.put([]byte("a"), 5) || keys.put([]byte("b"), 6) || !keys.put([]byte("a"), 7) || keys.last([]byte("a")) != 7 || keys.last([]byte("b")) != -1 {
		t.Fatal("a map for one key holds another number")
	}
	c := &chooser{keys: keys, through: 8, end: 100, txns: newTransactions(true)}
	for at, stays := range map[record.Offset]bool{3: false, 8: true, 9: true} {
		record.Stamp(keyless, at)
		if out, err := c.batch(keyless); err != nil || (out != nil) != stays {
			t.Errorf("without key at offset %d: stays %v, %v", at, out != nil, err)
		}
	}
	for at, stays := range map[record.Offset]bool{6: false, 7: true, 8: true} {
		if out, err := c.batch(batchAt(t, at, -1, "a", "x")); err != nil || (out != nil) != stays {
			t.Errorf("key a at offset %d: stays %v, %v", at, out != nil, err)
		}
	}
}

func TestTransactions_AWalkThatBeginsWithinDoesNotTakeAMarkerForEmpty(t *testing.T) {
	marker, _ := record.ReadHeader(markerAt(10, 7, true))
	for _, whole := range []bool{true, false} {
		txns := newTransactions(whole)
		if first := txns.marker(marker); first != whole {
			t.Errorf("whole %v: the first marker is of an empty transaction: %v", whole, first)
		}
		if !txns.marker(marker) {
			t.Errorf("whole %v: the second is not", whole)
		}
	}
}
