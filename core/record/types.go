package record

import (
	"encoding/base64"
	"fmt"
)

// Offset is a record's place in its partition, from 0.
type Offset int64

// Epoch is a producer's epoch.
type Epoch int16

// ProducerID names an idempotent or transactional producer; NoProducer is none.
type ProducerID int64

// NoProducer is the producer id of a plain batch.
const NoProducer ProducerID = -1

// LeaderEpoch is the constant leader epoch of every partition: leaders are
// hints here, so a client must never see the epoch change (KIP-320).
const LeaderEpoch int32 = 0

// TopicID is a topic's UUID, never reused. The zero value is no topic.
type TopicID [16]byte

// String is the form Kafka's tools print: unpadded URL-safe base64.
func (id TopicID) String() string { return base64.RawURLEncoding.EncodeToString(id[:]) }

// TopicPartition names one partition for its whole life.
type TopicPartition struct {
	Topic     TopicID
	Partition int32
}

// Compare orders by topic id, then partition: the order of runs in a segment.
func (tp TopicPartition) Compare(other TopicPartition) int {
	for i := range tp.Topic {
		if d := int(tp.Topic[i]) - int(other.Topic[i]); d != 0 {
			return d
		}
	}
	return int(tp.Partition) - int(other.Partition)
}

// MarshalText is String, so that ids are readable in JSON.
func (id TopicID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (id *TopicID) UnmarshalText(text []byte) error {
	raw, err := base64.RawURLEncoding.DecodeString(string(text))
	if err != nil || len(raw) != len(id) {
		return fmt.Errorf("topic id %q: want 22 characters of URL-safe base64", text)
	}
	copy(id[:], raw)
	return nil
}
