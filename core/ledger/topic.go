package ledger

import (
	"encoding/json"
	"fmt"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/record"
)

// Topic is a topic as it stands in etcd. Values are shared between readers and
// never changed in place.
type Topic struct {
	Name              string            `json:"-"`
	ID                record.TopicID    `json:"id"`
	Partitions        int32             `json:"partitions"`
	ReplicationFactor int16             `json:"replicationFactor"` // what the creator asked for; shown, not used
	Configs           map[string]string `json:"configs,omitempty"` // only those that were set

	Mod coordination.Revision `json:"-"` // of its key
}

// Has says whether the topic has this partition.
func (t *Topic) Has(partition int32) bool { return 0 <= partition && partition < t.Partitions }

// Encode gives the value of the topic's key: readable JSON.
func (t *Topic) Encode() []byte {
	b, err := json.Marshal(t)
	if err != nil {
		panic(fmt.Sprintf("encode topic: %v", err)) // cannot be: only strings and numbers
	}
	return b
}

// DecodeTopic reads the value of a topic's key.
func DecodeTopic(name string, value []byte, mod coordination.Revision) (*Topic, error) {
	t := &Topic{Name: name, Mod: mod}
	if err := json.Unmarshal(value, t); err != nil {
		return nil, fmt.Errorf("decode topic %q: %w", name, err)
	}
	if t.ID == (record.TopicID{}) || t.Partitions < 1 {
		return nil, fmt.Errorf("decode topic %q: no id or no partitions", name)
	}
	return t, nil
}
