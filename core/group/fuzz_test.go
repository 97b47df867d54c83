package group

import (
	"bytes"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/record"
)

// FuzzDecodeState: what is read is written and read to the same.
func FuzzDecodeState(f *testing.F) {
	f.Add(newState().encode())
	f.Add([]byte(`{"version":1,"kind":"consumer","phase":"Stable","members":{"m":{"epoch":3,"names":["a"],"assigned":{"AAAAAAAAAAAAAAAAAAAAAQ":[1,2]}},"n":{"classic":true,"protocols":[{"name":"range","metadata":"AAA="}]}}}`))
	f.Add(pack(bytes.Repeat([]byte(" "), packMin)))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := decodeState(b)
		if err != nil {
			return
		}
		again, err := decodeState(s.encode())
		if err != nil || !bytes.Equal(again.encode(), s.encode()) {
			t.Fatalf("%s is read as %s: %v", s.encode(), again.encode(), err)
		}
	})
}

// FuzzDecodeOffsets does so with committed offsets, and with those of open transactions.
func FuzzDecodeOffsets(f *testing.F) {
	f.Add((&topicOffsets{partitions: map[int32]Committed{3: {Offset: 5, LeaderEpoch: -1, Metadata: "m", AtMs: 9}}}).encode())
	f.Add(encodePending(map[string]*topicOffsets{"a": {partitions: map[int32]Committed{0: {Offset: 1}}}}))
	f.Add([]byte(`{"version":1,"topics":{"a":null}}`))
	f.Add([]byte(`{"version":1,"offsets":[[1,2,3,4,"5"],null,[]]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		item := coordination.Item{Key: "k", Value: b, Create: 1, Mod: 1}
		if o, err := decodeOffsets(item); err == nil {
			item.Value = o.encode()
			if again, err := decodeOffsets(item); err != nil || !bytes.Equal(again.encode(), item.Value) {
				t.Fatalf("%s is read otherwise: %v", item.Value, err)
			}
		}
		item.Value = b
		if p, err := decodePending(item); err == nil {
			item.Value = encodePending(p)
			if again, err := decodePending(item); err != nil || !bytes.Equal(encodePending(again), item.Value) {
				t.Fatalf("%s is read otherwise: %v", item.Value, err)
			}
		}
	})
}

// FuzzMetadata feeds what clients of the classic protocol send as subscription and as assignment to all that reads it.
func FuzzMetadata(f *testing.F) {
	wants := kmsg.NewConsumerMemberMetadata()
	wants.Version, wants.Topics, wants.UserData = 3, []string{"a", "b"}, []byte("u")
	f.Add(wants.AppendTo(nil), "a.*")
	topics := NewCatalog([]Topic{{Name: "a", ID: record.TopicID{1}, Partitions: 3}})
	f.Add(encodeAssignment(Partitions{record.TopicID{1}: {0, 2}}, topics), "(")
	f.Fuzz(func(t *testing.T, b []byte, regex string) {
		wants := kmsg.NewConsumerMemberMetadata()
		_ = wants.ReadFrom(b)
		if p, err := decodeAssignment(b, topics); err == nil {
			again, err := decodeAssignment(encodeAssignment(p, topics), topics)
			if err != nil || len(again) != len(p) {
				t.Fatalf("%v is read as %v: %v", p, again, err)
			}
		}
		topics.matching(regex)
	})
}
