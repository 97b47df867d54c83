package txn

import (
	"slices"

	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/rule"
)

// Decisions are functions on a State as it was read. Each is right again when it is made anew after a lost answer: it finds
// what the first try wrote.

// epochMax is the last epoch that is given out: a marker fences with the one after it.
const epochMax = 1<<15 - 2

// needsProducer says that the next bump takes a new producer id.
func (s *State) needsProducer() bool { return s == nil || s.Epoch >= epochMax }

// bump gives the identity after this one. fresh is a new producer id, where needsProducer says so.
func (s *State) bump(fresh record.ProducerID) {
	if s.needsProducer() {
		s.Identity = Identity{fresh, 0}
		return
	}
	s.Epoch++
}

// close leaves the transaction behind: the next has another serial.
func (s *State) close(phase Phase) {
	s.Serial++
	s.Phase, s.StartedMs, s.Partitions, s.Groups, s.Last = phase, 0, nil, nil, nil
}

// initialize is InitProducerId. A nil s is an id that is not known: whatever the client has shown, it gets a fresh
// producer. What is open is aborted, and fenced by the bump.
func (s *State) initialize(have Identity, timeoutMs int32, fresh record.ProducerID, ms int64) (changed bool, ended *ledger.Marker, next *State, err error) {
	if s == nil {
		return true, nil, &State{Version: stateVersion, Identity: Identity{fresh, 0}, Serial: 1, Phase: Empty, TimeoutMs: timeoutMs}, nil
	}
	if have.Producer >= 0 && have != s.Identity {
		if s.Last != nil && s.Last.Identity == have && s.Phase != Ongoing {
			return false, nil, s, nil // the answer to its bump was lost
		}
		return false, nil, nil, ErrFenced
	}
	if s.Phase == Ongoing {
		ended = s.marker(false, true, ms)
	}
	before := s.Identity
	s.close(Empty)
	s.bump(fresh)
	s.Last, s.TimeoutMs = &Last{before, Empty}, timeoutMs
	return true, ended, s, nil
}

// check says whether this is the producer of now.
func (s *State) check(id Identity) error {
	switch {
	case s == nil || s.Producer != id.Producer:
		return ErrMapping
	case s.Epoch != id.Epoch && rule.On(rule.TxnFence):
		return ErrFenced
	}
	return nil
}

// join adds partitions and a group ("" is none), beginning a transaction where none is open.
func (s *State) join(id Identity, parts []record.TopicPartition, group string, ms int64) (changed bool, err error) {
	if err := s.check(id); err != nil {
		return false, err
	}
	if s.Phase != Ongoing {
		s.Phase, s.StartedMs, s.Last, changed = Ongoing, ms, nil, true
	}
	for _, tp := range parts {
		if s.add(tp) {
			changed = true
		}
	}
	if at, ok := slices.BinarySearch(s.Groups, group); group != "" && !ok {
		s.Groups, changed = slices.Insert(s.Groups, at, group), true
	}
	if changed {
		return true, s.fits()
	}
	return false, nil
}

// ending is what an EndTxn comes to.
type ending int

const (
	endDone  ending = iota // it was before
	endEmpty               // nothing is open: the epoch is bumped alone
	endOpen
)

// judgeEnd says what EndTxn should do. With bump (KIP-890) the epoch names the transaction, so that a request sent again is
// told from a new one; without, whoever ended alike is believed.
func (s *State) judgeEnd(id Identity, commit, bump bool) (ending, error) {
	if s != nil && bump && s.Last != nil && s.Last.Identity == id && s.Last.By != Empty {
		if s.Last.By == complete(commit) {
			return endDone, nil
		}
		return 0, ErrState
	}
	if err := s.check(id); err != nil {
		return 0, err
	}
	switch {
	case s.Phase == Ongoing:
		return endOpen, nil
	case bump && !commit:
		return endEmpty, nil
	case !bump && s.Phase == complete(commit):
		return endDone, nil
	}
	return 0, ErrState
}

// end closes the transaction. With bump the producer gets a new epoch, at its own wish.
func (s *State) end(commit, bump bool, fresh record.ProducerID) {
	before := s.Identity
	s.close(complete(commit))
	if bump {
		s.bump(fresh)
		s.Last = &Last{before, complete(commit)}
	}
}

// overdue says that the open transaction has taken longer than its producer said it would.
func (s *State) overdue(ms int64) bool {
	return s.Phase == Ongoing && ms-s.StartedMs > int64(s.TimeoutMs)
}
