package consume

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/firnlog/firnlog/core/group"
	"github.com/firnlog/firnlog/core/record"
)

// stateVersion is the version of the JSON in etcd.
const stateVersion = 1

// Where a partition without a committed offset begins.
const (
	Earliest = "earliest"
	Latest   = "latest"
	NoReset  = "none"
)

// State is all that a consumer is, as JSON in its seat.
type State struct {
	Version     int    `json:"version"`
	Format      string `json:"format"` // of the records, as the front end shows them
	Reset       string `json:"reset"`  // Earliest, Latest, NoReset
	AutoCommit  bool   `json:"autoCommit"`
	BytesMin    int    `json:"bytesMin"`
	WaitMs      int64  `json:"waitMs"`
	TTLMs       int64  `json:"ttlMs"` // it ends when it is not used for so long
	LeasedAtMs  int64  `json:"leasedAtMs"`
	CommittedMs int64  `json:"committedMs"` // when it last committed by itself

	Names   []string `json:"names,omitempty"`
	Pattern string   `json:"pattern,omitempty"`
	Manual  bool     `json:"manual,omitempty"` // its partitions were chosen by hand: it is no member
	Epoch   int32    `json:"epoch"`            // of the member; 0: it has still to join
	Places  []Place  `json:"places,omitempty"`
	Turn    int      `json:"turn"` // which place comes first, so that none is starved
}

// Place is a partition of a consumer.
type Place struct {
	Topic     string         `json:"topic"`
	ID        record.TopicID `json:"id"`
	Partition int32          `json:"partition"`
	Position  record.Offset  `json:"position"`        // of the next record to give
	Moved     bool           `json:"moved,omitempty"` // since it was committed; of consumers that commit by themselves
}

// Name is the partition.
func (p *Place) Name() record.TopicPartition {
	return record.TopicPartition{Topic: p.ID, Partition: p.Partition}
}

// Decode reads the value of a seat.
func Decode(value []byte) (s State, err error) {
	if err := json.Unmarshal(value, &s); err != nil {
		return s, fmt.Errorf("read consumer: %w", err)
	}
	if s.Version != stateVersion {
		return s, fmt.Errorf("%w: consumer of version %d: upgrade this instance", group.ErrUnavailable, s.Version)
	}
	return s, nil
}

func (c *Consumer) encode(leasedAt time.Time) []byte {
	c.LeasedAtMs = leasedAt.UnixMilli()
	b, err := json.Marshal(c.State)
	if err != nil {
		panic(fmt.Sprintf("encode consumer: %v", err)) // cannot be: strings and numbers
	}
	return b
}

func (s *State) life() time.Duration { return time.Duration(s.TTLMs) * time.Millisecond }

// Subscribed says that it is, or shall be, a member of its group.
func (s *State) Subscribed() bool { return len(s.Names) > 0 || s.Pattern != "" }

// Place finds a partition of the consumer; nil: it does not have it.
func (s *State) Place(topic string, partition int32) *Place {
	i := slices.IndexFunc(s.Places, func(p Place) bool { return p.Topic == topic && p.Partition == partition })
	if i < 0 {
		return nil
	}
	return &s.Places[i]
}

func (s *State) owned() group.Partitions {
	return group.Gather(func(add func(record.TopicID, ...int32)) {
		for _, p := range s.Places {
			add(p.ID, p.Partition)
		}
	})
}
