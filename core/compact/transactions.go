package compact

import (
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/record"
)

// transactions follows what a walk in the order of offsets meets of transactions: which data was aborted, and which
// markers end a transaction of which nothing is left.
type transactions struct {
	aborted map[record.ProducerID][]ledger.Aborted
	// open holds the producers of which data was met since their last marker.
	open map[record.ProducerID]bool
	// ended holds those of which a marker was met, when the walk did not begin where the log does: the data
	// of any other producer's transaction may lie before.
	ended map[record.ProducerID]bool
}

// newTransactions begins a walk; whole says that it begins where the log does.
func newTransactions(whole bool) *transactions {
	t := &transactions{aborted: map[record.ProducerID][]ledger.Aborted{}, open: map[record.ProducerID]bool{}}
	if !whole {
		t.ended = map[record.ProducerID]bool{}
	}
	return t
}

// know adds aborted transactions; those that were added before count once. What ended before from is forgotten.
func (t *transactions) know(list []ledger.Aborted, from record.Offset) {
	for id, old := range t.aborted {
		kept := old[:0]
		for _, a := range old {
			if a.Last >= from {
				kept = append(kept, a)
			}
		}
		if t.aborted[id] = kept; len(kept) == 0 {
			delete(t.aborted, id)
		}
	}
	for _, a := range list {
		if !t.knows(a) && a.Last >= from {
			t.aborted[a.Producer] = append(t.aborted[a.Producer], a)
		}
	}
}

// knows: a transaction is known by where it begins. A fork may have ended it earlier than its source did, of which pages that they
// share still tell.
func (t *transactions) knows(a ledger.Aborted) bool {
	known := t.aborted[a.Producer]
	for i := range known {
		if a.First == known[i].First {
			known[i].Last = min(a.Last, known[i].Last)
			return true
		}
	}
	return false
}

// data notes a batch that is no marker, and says whether it was aborted.
func (t *transactions) data(h record.Header) (aborted bool) {
	if !h.IsTransactional() {
		return false
	}
	t.open[h.Producer] = true
	return t.isAborted(h)
}

func (t *transactions) isAborted(h record.Header) bool {
	for _, a := range t.aborted[h.Producer] {
		if a.First <= h.BaseOffset && h.BaseOffset <= a.Last {
			return h.IsTransactional()
		}
	}
	return false
}

// marker notes a marker, and says whether nothing is left of its transaction: no batch was met, not even one that goes
// in this very walk. So a marker outlives the last of its data by one walk at least.
func (t *transactions) marker(h record.Header) (empty bool) {
	empty = !t.open[h.Producer] && (t.ended == nil || t.ended[h.Producer])
	delete(t.open, h.Producer)
	if t.ended != nil {
		t.ended[h.Producer] = true
	}
	return empty
}
