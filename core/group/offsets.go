package group

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/record"
)

// Committed is one committed offset.
type Committed struct {
	Offset      record.Offset
	LeaderEpoch int32 // -1: not said
	Metadata    string
	AtMs        int64 // when it was committed
}

// topicOffsets is what groups/<group>/offsets/<topic> holds:
//
//	{"version":1,"id":"<topic id>","offsets":[[partition, offset, leader epoch, ms, "metadata"], …]}
//
// packed where it is large (see pack). Offsets of a topic that was deleted and made anew are nobody's: the id tells.
type topicOffsets struct {
	id         record.TopicID
	partitions map[int32]Committed
	mod        coordination.Revision // of the key; 0: not there
}

type offsetsJSON struct {
	Version int            `json:"version"`
	ID      record.TopicID `json:"id"`
	Offsets []offsetJSON   `json:"offsets"`
}

type offsetJSON struct {
	partition int32
	Committed
}

// MarshalJSON writes an array: there are thousands of them in a large group.
func (o offsetJSON) MarshalJSON() ([]byte, error) {
	return json.Marshal([]any{o.partition, o.Offset, o.LeaderEpoch, o.AtMs, o.Metadata})
}

// UnmarshalJSON reads it.
func (o *offsetJSON) UnmarshalJSON(b []byte) error {
	fields := []any{&o.partition, &o.Offset, &o.LeaderEpoch, &o.AtMs, &o.Metadata}
	if err := json.Unmarshal(b, &fields); err != nil {
		return err
	}
	if len(fields) != 5 {
		return fmt.Errorf("committed offset of %d fields: want 5", len(fields))
	}
	return nil
}

func (t *topicOffsets) json() offsetsJSON {
	v := offsetsJSON{Version: stateVersion, ID: t.id, Offsets: []offsetJSON{}}
	for _, n := range slices.Sorted(maps.Keys(t.partitions)) {
		v.Offsets = append(v.Offsets, offsetJSON{n, t.partitions[n]})
	}
	return v
}

func (v *offsetsJSON) offsets() *topicOffsets {
	t := &topicOffsets{id: v.ID, partitions: map[int32]Committed{}}
	for _, o := range v.Offsets {
		t.partitions[o.partition] = o.Committed
	}
	return t
}

func (t *topicOffsets) encode() []byte {
	b, err := json.Marshal(t.json())
	if err != nil {
		panic(fmt.Sprintf("encode offsets: %v", err)) // cannot be: only strings and numbers
	}
	return pack(b)
}

func decodeOffsets(item coordination.Item) (*topicOffsets, error) {
	v := offsetsJSON{}
	b, err := unpack(item.Value)
	if err != nil {
		return nil, fmt.Errorf("decode %s: %w", item.Key, err)
	}
	if err := json.Unmarshal(b, &v); err != nil {
		return nil, fmt.Errorf("decode %s: %w", item.Key, err)
	}
	if v.Version != stateVersion {
		return nil, fmt.Errorf("decode %s: version %d is not known to this build: upgrade it", item.Key, v.Version)
	}
	t := v.offsets()
	t.mod = item.Mod
	return t, nil
}

// clone gives a copy to change.
func (t *topicOffsets) clone() *topicOffsets {
	return &topicOffsets{id: t.id, partitions: maps.Clone(t.partitions), mod: t.mod}
}
