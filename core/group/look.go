package group

import (
	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/record"
)

// StoredOffsets reads the value of groups/<group>/offsets/<topic>, for who looks at etcd from outside.
func StoredOffsets(value []byte) (map[record.TopicPartition]record.Offset, error) {
	t, err := decodeOffsets(coordination.Item{Key: "offsets", Value: value})
	if err != nil {
		return nil, err
	}
	out := map[record.TopicPartition]record.Offset{}
	t.into(out)
	return out, nil
}

// StoredPending reads the value of groups/<group>/pending/<id>.
func StoredPending(value []byte) (map[record.TopicPartition]record.Offset, error) {
	topics, err := decodePending(coordination.Item{Key: "pending", Create: 1, Value: value})
	if err != nil {
		return nil, err
	}
	out := map[record.TopicPartition]record.Offset{}
	for _, t := range topics {
		t.into(out)
	}
	return out, nil
}

func (t *topicOffsets) into(out map[record.TopicPartition]record.Offset) {
	for n, o := range t.partitions {
		out[record.TopicPartition{Topic: t.id, Partition: n}] = o.Offset
	}
}
