package ledger

import (
	"bytes"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/firnlog/firnlog/core/record"
)

var update = flag.Bool("update", false, "write the golden files anew")

func sampleCommit() *Commit {
	return &Commit{
		Segments: []SegmentRef{{id(1), 4096}, {id(2), 300}},
		Runs: []Run{
			{Segment: 0, Partition: part(topicA, 0), Position: 8, Entries: []Entry{plain(3), batch(7, 2, 40, 2)}},
			{Segment: 0, Partition: part(topicB, 300), Position: 508, Entries: []Entry{{Records: 1, Bytes: 70, MaxTimestamp: -1, Producer: record.NoProducer}}},
			{Segment: 1, Partition: part(topicA, 0), Position: 8, Entries: []Entry{batch(7, 2, 42, 1), inTxn(3, batch(8, 0, 0, 1))}},
		},
		Markers: []Marker{{
			Producer: 8, Epoch: 1, Serial: 300, Commit: true, Bump: true, Timestamp: 5001, CoordinatorEpoch: 4, Partitions: []record.TopicPartition{part(topicA, 0), part(topicB, 300)},
		}},
		Expiries: []Expiry{{part(topicB, 1), 9, 77}},
	}
}

func sampleHead() *Head {
	return &Head{
		AsOf: 1234, Next: 51, LogStart: 10,
		Producers: []HeadProducer{
			{ID: 7, Epoch: 2, Last: 42, Revision: 1200, window: []seen{{40, 41, 47}, {42, 42, 49}}, Closed: 5, OpenSerial: 6, OpenFirst: 47},
			{ID: 8, Epoch: 1, Last: -1, Revision: 1201, window: []seen{}, Closed: 9},
		},
		Aborted:  []Aborted{{8, 5, 20}, {7, 9, 30}},
		Manifest: &Manifest{ID: id(9), Base: 1, End: 3, Bytes: 70, Objects: 2, MaxTimestamp: 3000},
		Spans: []Span{
			{Segment: id(3), Place: InShared, Tier: 2, Position: 8, Length: 90, Base: 3, End: 4, MaxTimestamp: 3500},
			{Segment: id(4), Place: InCold, Tier: 3, Owner: part(topicB, 1), Position: 8, Length: 90, Base: 4, End: 5, MaxTimestamp: 3500},
			{Segment: id(1), Position: 8, Length: 500, Base: 5, End: 47, MaxTimestamp: 5000},
			{Segment: id(2), Position: 8, Length: 300, Base: 47, End: 50, MaxTimestamp: 4000},
			{Length: record.MarkerBytes, Base: 50, End: 51, MaxTimestamp: 4100, Inline: &record.Marker{Producer: 8, Epoch: 1, Commit: true, CoordinatorEpoch: 4, Timestamp: 4100}},
		},
	}
}

func golden(t *testing.T, name string, fields []string, value []byte) {
	t.Helper()
	var out strings.Builder
	rest := value
	for _, f := range fields {
		var n int
		what, size, _ := strings.Cut(f, ":")
		if _, err := fmt.Sscan(size, &n); err != nil || n > len(rest) {
			t.Fatalf("field %q of %d bytes left: %v", f, len(rest), err)
		}
		fmt.Fprintf(&out, "%-36s %s\n", hex.EncodeToString(rest[:n]), what)
		rest = rest[n:]
	}
	if len(rest) > 0 {
		fmt.Fprintf(&out, "%s  NOT EXPLAINED\n", hex.EncodeToString(rest))
	}
	file := "testdata/" + name
	if *update {
		if err := os.WriteFile(file, []byte(out.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if out.String() != string(want) {
		t.Errorf("%s differs: the encoding changed. If that is meant, FormatVersion must too.\n%s", file, out.String())
	}
}

func TestGolden_Commit(t *testing.T) {
	golden(t, "commit.hex", []string{
		"version:1", "segments:1", "  id:16", "  size 4096:2", "  id:16", "  size 300:2",
		"topics:1", "  id A:16", "  id B:16",
		"runs:1",
		"  segment 0, topic 0, partition 0:3", "  position 8, 2 entries:2", "    plain, 3 records:2", "    300 bytes:2", "    max timestamp +5000:2",
		"    idempotent, 2 records:2", "    200 bytes:2", "    max timestamp +0:1", "    producer 7, epoch 2, sequence 40:3",
		"  segment 0, topic 1:2", "  partition 300:2", "  position 508:2", "  1 entry:1", "    plain, 1 record:2", "    70 bytes:1", "    max timestamp -5001:2",
		"  segment 1, topic 0, partition 0:3", "  position 8, 2 entries:2", "    idempotent, 1 record:2", "    100 bytes:1", "    max timestamp +5001:2", "    producer 7, epoch 2, sequence 42:3",
		"    transactional, 1 record:2", "    100 bytes:1", "    max timestamp +0:1", "    producer 8, epoch 0, sequence 0:3", "    serial 3:1",
		"markers:1", "  producer 8, epoch 1:2", "  serial 300:2", "  commit, bump:1", "  timestamp 5001:2", "  coordinator epoch 4:1",
		"  partitions:1", "    topic 0, partition 0:2", "    topic 1, partition 300:3",
		"expiries:1", "  topic 1, partition 1, producer 9, revision 77:4",
	}, sampleCommit().Encode())
}

func TestGolden_Head(t *testing.T) {
	golden(t, "head.hex", []string{
		"version:1", "as-of 1234:2", "next 51:1", "log start 10:1",
		"producers:1", "  id 7, epoch 2, last sequence 42:3", "  revision 1200:2", "  closed 5, open 6, first 47:3", "  window of 2:1", "    40 to 41 at 47:3", "    42 to 42 at 49:3",
		"  id 8, epoch 1, no sequence:3", "  revision 1201:2", "  closed 9, none open:2", "  empty window:1",
		"aborted:1", "  producer 8, 5 to +20:3", "  producer 7, 9 to +10:3",
		"manifest, this partition's:1", "  id:16", "  base 1, end +2:2", "  70 bytes, 2 objects:2", "  max timestamp 3000:2",
		"spans:1", "  settled, base +3:2", "  max timestamp +3500:2", "  shared, tier 2:2", "  object:16", "  position 8:1", "  length 90:1", "  1 offset:1",
		"  settled in another's folder, base +0:2", "  max timestamp +0:1", "  cold, tier 3:2", "  topic B:16", "  partition 1:1", "  object:16", "  position 8:1", "  length 90:1", "  1 offset:1",
		"  in a segment, base +0:2", "  max timestamp +1500:2", "  segment:16", "  position 8:1", "  length 500:2", "  42 records:1",
		"  in a segment, base +0:2", "  max timestamp -1000:2", "  segment:16", "  position 8:1", "  length 300:2", "  3 records:1",
		"  commit marker, base +0:2", "  max timestamp +100:2", "  producer 8, epoch 1, coordinator epoch 4:3",
	}, sampleHead().Encode())
}

func TestCommit_RoundTrip(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		w := &world{t: t, live: NewLoader(keys).l}
		c := drawCommit(r, w, []record.TopicPartition{part(topicA, 0), part(topicB, 1<<31-1), part(topicB, 7)})
		c.Expiries = append(c.Expiries, Expiry{part(topicB, 7), 1<<63 - 1, 1<<63 - 1})
		got, err := DecodeCommit(c.Encode())
		if err != nil {
			r.Fatal(err)
		}
		if len(c.Runs) == 0 {
			c.Runs = []Run{}
		}
		if !reflect.DeepEqual(got, c) {
			r.Fatalf("got %+v\nwant %+v", got, c)
		}
	})
}

func TestHead_RoundTrip(t *testing.T) {
	h := sampleHead()
	got, err := DecodeHead(h.Encode())
	if err != nil || !reflect.DeepEqual(got, h) {
		t.Errorf("%+v, %v; want %+v", got, err, h)
	}
	empty, err := DecodeHead((&Head{}).Encode())
	if err != nil || empty.AsOf != 0 || len(empty.Spans)+len(empty.Producers) != 0 {
		t.Errorf("empty head: %+v, %v", empty, err)
	}
}

func TestTopicAndFormat_RoundTrip(t *testing.T) {
	topic := &Topic{Name: "a", ID: topicA, Partitions: 3, ReplicationFactor: 3, Configs: map[string]string{"retention.ms": "5"}, Mod: 9}
	got, err := DecodeTopic("a", topic.Encode(), 9)
	if err != nil || !reflect.DeepEqual(got, topic) {
		t.Errorf("%+v, %v; want %+v", got, err, topic)
	}
	f := Format{Version: FormatVersion, Era: "e"}
	if got, err := DecodeFormat(f.Encode()); err != nil || got != f {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestDecode_AnUnknownVersionIsErrFormat(t *testing.T) {
	commit, head := sampleCommit().Encode(), sampleHead().Encode()
	commit[0], head[0] = 2, 2
	if _, err := DecodeCommit(commit); !errors.Is(err, ErrFormat) {
		t.Errorf("commit: %v", err)
	}
	if _, err := DecodeHead(head); !errors.Is(err, ErrFormat) {
		t.Errorf("head: %v", err)
	}
	if _, err := DecodeFormat(Format{Version: 2}.Encode()); !errors.Is(err, ErrFormat) {
		t.Errorf("format: %v", err)
	}
}

func TestDecode_EveryCutAndEveryByteTooManyIsAnError(t *testing.T) {
	commit, head := sampleCommit().Encode(), sampleHead().Encode()
	for n := range commit {
		if _, err := DecodeCommit(commit[:n]); err == nil {
			t.Errorf("commit of %d of %d bytes passes", n, len(commit))
		}
	}
	for n := range head {
		if _, err := DecodeHead(head[:n]); err == nil {
			t.Errorf("head of %d of %d bytes passes", n, len(head))
		}
	}
	if _, err := DecodeCommit(append(commit, 0)); err == nil {
		t.Error("commit with a byte too many passes")
	}
	if _, err := DecodeHead(append(head, 0)); err == nil {
		t.Error("head with a byte too many passes")
	}
}

// A claimed count must not make the decoder allocate: the value is what bounds it.
func TestDecode_ALieAboutCountsCostsNoMemory(t *testing.T) {
	lie := append([]byte{1}, bytes.Repeat([]byte{0xff}, 8)...)
	lie = append(lie, 0x7f)
	if n := testing.AllocsPerRun(10, func() { _, _ = DecodeCommit(lie); _, _ = DecodeHead(lie) }); n > 40 {
		t.Errorf("%v allocations", n)
	}
}

// The batcher closes a segment by EntryBytesMax: no entry may take more.
func TestEntryBytesMax_BoundsWhatAnEntryAdds(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		c := &Commit{}
		for range rapid.IntRange(0, 3).Draw(r, "segments") + 1 {
			c.Segments = append(c.Segments, SegmentRef{id(1), 1<<63 - 1})
		}
		largest := Entry{Records: 1 << 31, Bytes: 1<<63 - 1, MaxTimestamp: -1 << 63, Producer: 1<<63 - 1, Epoch: 1<<15 - 1, Sequence: 1<<31 - 1}
		c.Runs = append(c.Runs, Run{Partition: part(record.TopicID{0xff}, 1<<31-1), Position: 1<<63 - 1, Entries: []Entry{largest}})
		if one := len(c.Encode()) - len((&Commit{Segments: c.Segments}).Encode()); one > EntryBytesMax {
			r.Fatalf("the largest entry takes %d bytes, EntryBytesMax is %d", one, EntryBytesMax)
		}
		size := len(c.Encode())
		for n := range rapid.IntRange(1, 200).Draw(r, "entries") {
			tp := record.TopicPartition{Partition: rapid.Int32Range(0, 1<<31-1).Draw(r, "partition")}
			tp.Topic[0], tp.Topic[1] = byte(n), byte(n>>8)
			c.Runs = append(c.Runs, Run{Segment: len(c.Segments) - 1, Partition: tp, Position: rapid.Int64Range(0, 1<<63-1).Draw(r, "position"), Entries: []Entry{{
				Records: rapid.Int64Range(1, 1<<31).Draw(r, "records"), Bytes: rapid.Int64Range(1, 1<<63-1).Draw(r, "bytes"),
				MaxTimestamp: rapid.Int64().Draw(r, "time"), Producer: record.ProducerID(rapid.Int64Range(0, 1<<63-1).Draw(r, "producer")),
				Epoch: record.Epoch(rapid.Int16Range(0, 1<<15-1).Draw(r, "epoch")), Sequence: rapid.Int32Range(0, 1<<31-1).Draw(r, "sequence"),
				Serial: rapid.Int64Range(0, 1<<63-1).Draw(r, "serial")}}})
			now := len(c.Encode())
			if now-size > EntryBytesMax {
				r.Fatalf("entry %d takes %d bytes, EntryBytesMax is %d", n, now-size, EntryBytesMax)
			}
			size = now
		}
	})
}

func FuzzDecodeCommit(f *testing.F) {
	f.Add(sampleCommit().Encode())
	f.Fuzz(func(t *testing.T, value []byte) {
		c, err := DecodeCommit(value)
		if err != nil {
			return
		}
		again, err := DecodeCommit(c.Encode())
		if err != nil || !reflect.DeepEqual(again, c) {
			t.Fatalf("%+v\nencoded and decoded again: %+v, %v", c, again, err)
		}
	})
}

func FuzzDecodeHead(f *testing.F) {
	f.Add(sampleHead().Encode())
	f.Fuzz(func(t *testing.T, value []byte) {
		h, err := DecodeHead(value)
		if err != nil {
			return
		}
		again, err := DecodeHead(h.Encode())
		if err != nil || !reflect.DeepEqual(again, h) {
			t.Fatalf("%+v\nencoded and decoded again: %+v, %v", h, again, err)
		}
	})
}

func FuzzDecodeTopic(f *testing.F) {
	f.Add((&Topic{ID: topicA, Partitions: 1, Configs: map[string]string{"a": "b"}}).Encode())
	f.Fuzz(func(t *testing.T, value []byte) {
		topic, err := DecodeTopic("a", value, 1)
		if err != nil {
			return
		}
		again, err := DecodeTopic("a", topic.Encode(), 1)
		if err != nil || again.ID != topic.ID || again.Partitions != topic.Partitions || len(again.Configs) != len(topic.Configs) {
			t.Fatalf("%+v\nencoded and decoded again: %+v, %v", topic, again, err)
		}
	})
}

func FuzzDecodeFormat(f *testing.F) {
	f.Add(Format{Version: 1, Era: "e"}.Encode())
	f.Fuzz(func(t *testing.T, value []byte) {
		got, err := DecodeFormat(value)
		if err != nil {
			return
		}
		if again, err := DecodeFormat(got.Encode()); err != nil || again != got {
			t.Fatalf("%+v, again %+v, %v", got, again, err)
		}
	})
}
