package group

import (
	"maps"
	"slices"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/record"
)

// Clamped is a committed offset that lay beyond the end of its partition.
type Clamped struct {
	Partition record.TopicPartition
	From, To  record.Offset
}

// Clamp gives the value of groups/<group>/offsets/<topic> without offsets beyond the ends of partitions: a restore begins a
// new era with it. An offset below the log start stays as it is: that is usual, and a client's auto.offset.reset decides.
// end is not asked for a topic that is not there any more: ok false leaves an offset alone.
func Clamp(value []byte, end func(record.TopicPartition) (record.Offset, bool)) (next []byte, clamped []Clamped, err error) {
	t, err := decodeOffsets(coordination.Item{Key: "offsets", Value: value})
	if err != nil {
		return nil, nil, err
	}
	for _, n := range slices.Sorted(maps.Keys(t.partitions)) {
		tp := record.TopicPartition{Topic: t.id, Partition: n}
		o := t.partitions[n]
		if last, ok := end(tp); ok && o.Offset > last {
			clamped = append(clamped, Clamped{tp, o.Offset, last})
			o.Offset = last
			t.partitions[n] = o
		}
	}
	if len(clamped) == 0 {
		return value, nil, nil
	}
	return t.encode(), clamped, nil
}
