package txn

import "github.com/firnlog/firnlog/core/record"

// Stored reads the value of transactions/<id>, for who looks at etcd from outside.
func Stored(value []byte) (*State, error) { return decodeState(value) }

// Has says whether a partition is of the open transaction.
func (s *State) Has(tp record.TopicPartition) bool { return s.has(tp) }
