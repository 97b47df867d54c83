package txn

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/record"
)

// Phase is where a transactional id is, in the words of ListTransactions. Kafka's phases of preparing do not exist
// here: a transaction ends in one etcd transaction.
type Phase string

// Phases.
const (
	Empty          Phase = "Empty" // since InitProducerId
	Ongoing        Phase = "Ongoing"
	CompleteCommit Phase = "CompleteCommit"
	CompleteAbort  Phase = "CompleteAbort"
)

// complete is the phase after an end.
func complete(commit bool) Phase {
	if commit {
		return CompleteCommit
	}
	return CompleteAbort
}

// Identity is what a client must show.
type Identity struct {
	Producer record.ProducerID `json:"producer"`
	Epoch    record.Epoch      `json:"epoch"`
}

// Nobody is no identity yet.
var nobody = Identity{record.NoProducer, -1}

// stateVersion is the version of the JSON in etcd.
const stateVersion = 1

// State is what transactions/<id> holds.
type State struct {
	Version int `json:"version"`
	Identity
	// Serial counts the transactions of this id: it is that of the open one, or of the next. It grows at every end
	// and every InitProducerId.
	Serial     int64                      `json:"serial"`
	Phase      Phase                      `json:"phase"`
	TimeoutMs  int32                      `json:"timeoutMs"`
	StartedMs  int64                      `json:"startedMs,omitempty"` // of the open one: time of an id, so never before the stamp
	UsedMs     int64                      `json:"usedMs"`              // when this was written
	Partitions map[record.TopicID][]int32 `json:"partitions,omitempty"`
	Groups     []string                   `json:"groups,omitempty"`
	// Last is who the producer was before its epoch was bumped at its own wish: a client whose answer was
	// lost asks again as that.
	Last *Last `json:"last,omitempty"`
}

// Last is an identity that was given up.
type Last struct {
	Identity
	By Phase `json:"by"` // CompleteCommit, CompleteAbort; Empty: InitProducerId
}

func (s *State) encode() []byte {
	b, err := json.Marshal(s)
	if err != nil {
		panic(fmt.Sprintf("encode transaction: %v", err)) // cannot be: only strings and numbers
	}
	return b
}

func decodeState(b []byte) (*State, error) {
	s := &State{}
	if err := json.Unmarshal(b, s); err != nil {
		return nil, fmt.Errorf("decode transaction: %w", err)
	}
	if s.Version != stateVersion {
		return nil, fmt.Errorf("decode transaction: version %d is not known to this build: upgrade it", s.Version)
	}
	return s, nil
}

// has says whether a partition is of the open transaction.
func (s *State) has(tp record.TopicPartition) bool {
	_, ok := slices.BinarySearch(s.Partitions[tp.Topic], tp.Partition)
	return ok && s.Phase == Ongoing
}

func (s *State) add(tp record.TopicPartition) (changed bool) {
	list := s.Partitions[tp.Topic]
	at, ok := slices.BinarySearch(list, tp.Partition)
	if ok {
		return false
	}
	if s.Partitions == nil {
		s.Partitions = map[record.TopicID][]int32{}
	}
	s.Partitions[tp.Topic] = slices.Insert(list, at, tp.Partition)
	return true
}

// All lists the partitions in order.
func (s *State) All() (out []record.TopicPartition) {
	topics := slices.SortedFunc(maps.Keys(s.Partitions), func(a, b record.TopicID) int { return slices.Compare(a[:], b[:]) })
	for _, t := range topics {
		for _, n := range s.Partitions[t] {
			out = append(out, record.TopicPartition{Topic: t, Partition: n})
		}
	}
	return out
}

// groupsMax bounds the groups of a transaction: its end compares two keys of each and deletes one, of the 128 that etcd takes.
const groupsMax = 50

// fits says whether the transaction can be ended at all: aborted, that is. What does not fit is refused before it becomes a part,
// since one that can neither be committed nor aborted would keep its partitions from readers for ever. Offsets to be
// committed may still be too many; then the transaction can be aborted.
func (s *State) fits() error {
	if len(s.Groups) > groupsMax {
		return fmt.Errorf("offsets of %d groups, the limit is %d: %w", len(s.Groups), groupsMax, ErrTooLarge)
	}
	const laterMs = 1<<48 - 1 // the largest time of an id
	if n := len(endingCommit(s.marker(false, true, laterMs))); n > ledger.CommitBytesMax {
		return fmt.Errorf("markers of %d bytes, the limit is %d: %w", n, ledger.CommitBytesMax, ErrTooLarge)
	}
	return nil
}

// endingCommit is the commit record that ends a transaction.
func endingCommit(m *ledger.Marker) []byte {
	return (&ledger.Commit{Markers: []ledger.Marker{*m}}).Encode()
}

// marker is what ends the open transaction in the log.
func (s *State) marker(commit, bump bool, ms int64) *ledger.Marker {
	return &ledger.Marker{Producer: s.Producer, Epoch: s.Epoch, Serial: s.Serial, Commit: commit, Bump: bump, Timestamp: ms, Partitions: s.All()}
}
