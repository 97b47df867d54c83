package txn

import (
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/record"
)

// Restored is what a restore makes of a transactional id.
type Restored struct {
	Value []byte
	// Ended is the marker that aborts what was open; nil: nothing was.
	Ended *ledger.Marker
	// Fenced: the producer that had this id must ask for a new epoch.
	Fenced   bool
	Producer record.ProducerID // that it had
}

// Restore gives the value of transactions/<id> with which a new era begins. An open transaction is aborted: how it ended, if
// it did, is not known any more. seen gives the highest epoch of a producer in batches that came after value (-1: there
// are none): those are not in the log any more, so that producer may not go on from them and is fenced as well. fresh gives a new
// producer id, ms is the time of the abort.
func Restore(value []byte, seen func(record.ProducerID) record.Epoch, fresh func() record.ProducerID, ms int64) (r Restored, err error) {
	s, err := decodeState(value)
	if err != nil {
		return r, err
	}
	r.Producer = s.Producer
	later := seen(s.Producer)
	if s.Phase == Ongoing {
		r.Ended = s.marker(false, true, ms)
		r.Ended.Epoch = min(max(s.Epoch, later), epochMax)
	}
	if r.Fenced = r.Ended != nil || later >= s.Epoch; !r.Fenced {
		r.Value = value
		return r, nil
	}
	s.Epoch = max(s.Epoch, later)
	s.close(CompleteAbort)
	if s.needsProducer() {
		s.bump(fresh())
	} else {
		s.bump(record.NoProducer)
	}
	s.UsedMs = ms
	r.Value = s.encode()
	return r, nil
}
