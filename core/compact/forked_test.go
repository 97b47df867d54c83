package compact

import (
	"testing"

	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/record"
)

// Pages that a fork shares with its source tell where the source ended a transaction; the fork may have ended it earlier.
func TestTransactions_ATransactionEndsWhereItsFirstMarkerIs(t *testing.T) {
	for _, list := range [][]ledger.Aborted{{{Producer: 7, First: 5, Last: 90}, {Producer: 7, First: 5, Last: 20}}, {{Producer: 7, First: 5, Last: 20}, {Producer: 7, First: 5, Last: 90}}} {
		txns := newTransactions(true)
		txns.know(list[:1], 0)
		txns.know(list[1:], 0)
		for at, want := range map[record.Offset]bool{6: true, 40: false} {
			h := record.Header{BaseOffset: at, Producer: 7, Attributes: 1 << 4}
			if got := txns.isAborted(h); got != want {
				t.Errorf("%v: offset %d aborted %v, want %v", list, at, got, want)
			}
		}
	}
}
