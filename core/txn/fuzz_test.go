package txn

import (
	"bytes"
	"testing"

	"github.com/firnlog/firnlog/core/record"
)

// FuzzDecodeState: what is read is written and read to the same, and can be asked everything.
func FuzzDecodeState(f *testing.F) {
	s := &State{Version: stateVersion, Identity: Identity{1000, 3}, Serial: 9, Phase: Ongoing, Last: &Last{Identity: Identity{999, 1}, By: Empty}, Groups: []string{"g"}}
	s.add(record.TopicPartition{Topic: record.TopicID{1}, Partition: 4})
	f.Add(s.encode())
	f.Add([]byte(`{"version":1,"phase":"Ongoing","partitions":{"AAAAAAAAAAAAAAAAAAAAAQ":[5,1,1,-1]}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := decodeState(b)
		if err != nil {
			return
		}
		_ = s.fits()
		for _, tp := range s.All() {
			_ = s.has(tp)
		}
		again, err := decodeState(s.encode())
		if err != nil || !bytes.Equal(again.encode(), s.encode()) {
			t.Fatalf("%s is read as %s: %v", s.encode(), again.encode(), err)
		}
	})
}
