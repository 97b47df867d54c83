package segment

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/firnlog/firnlog/core/record"
)

func topic(n byte) record.TopicID { return record.TopicID{0: n, 15: 0xaa} }

func partition(id record.TopicID, n int32, batches ...[]byte) Partition {
	return Partition{record.TopicPartition{Topic: id, Partition: n}, batches}
}

func batch(t rapid.TB, timestamps ...int64) []byte {
	t.Helper()
	b := record.NewBatch(record.Settings{})
	for i, ts := range timestamps {
		b.Append(ts, nil, fmt.Appendf(nil, "%d", i))
	}
	out, err := b.Seal()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func seal(t rapid.TB, partitions ...Partition) Sealed {
	t.Helper()
	s, err := Seal(partitions)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func object(s Sealed) []byte { return slices.Concat(s.Chunks...) }

func checkIndex(t rapid.TB, got, want Index) {
	t.Helper()
	if got.Size != want.Size || !slices.Equal(got.Runs, want.Runs) {
		t.Fatalf("got  %+v\nwant %+v", got, want)
	}
}

// drawPartitions gives distinct partitions in any order.
func drawPartitions(t *rapid.T) []Partition {
	names := rapid.SliceOfNDistinct(rapid.Custom(func(t *rapid.T) record.TopicPartition {
		return record.TopicPartition{
			Topic:     record.TopicID(rapid.SliceOfN(rapid.ByteRange(0, 2), 16, 16).Draw(t, "topic")),
			Partition: rapid.OneOf(rapid.Int32Range(0, 3), rapid.Int32Min(0), rapid.Just[int32](math.MaxInt32)).Draw(t, "partition"),
		}
	}), 1, 12, rapid.ID[record.TopicPartition])
	// Few topics, so that they have several partitions.
	same := rapid.Bool().Draw(t, "one topic")
	var out []Partition
	seen := map[record.TopicPartition]bool{}
	for _, name := range names.Draw(t, "names") {
		if same {
			name.Topic = topic(7)
		}
		if seen[name] {
			continue
		}
		seen[name] = true
		p := Partition{TopicPartition: name}
		for range rapid.IntRange(1, 4).Draw(t, "batches") {
			p.Batches = append(p.Batches, batch(t, rapid.SliceOfN(rapid.Int64(), 1, 3).Draw(t, "timestamps")...))
		}
		out = append(out, p)
	}
	return out
}

func TestSeal_TheIndexAndTheBatchesReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		partitions := drawPartitions(t)
		given := slices.Clone(partitions)
		s := seal(t, partitions...)
		o := object(s)
		if s.Size != int64(len(o)) || len(s.Runs) != len(partitions) {
			t.Fatalf("%d bytes and %d runs, want %d and %d", s.Size, len(s.Runs), len(o), len(partitions))
		}
		got, err := ReadIndex(o[rapid.IntRange(0, len(o)-len(s.Chunks[len(s.Chunks)-1])).Draw(t, "from"):])
		if err != nil {
			t.Fatal(err)
		}
		checkIndex(t, got, s.Index)
		if _, err := Verify(o); err != nil {
			t.Fatal(err)
		}
		if !slices.IsSortedFunc(got.Runs, func(a, b Run) int { return a.Compare(b.TopicPartition) }) {
			t.Fatalf("runs out of order: %+v", got.Runs)
		}
		for i, p := range partitions {
			run, ok := got.Find(p.TopicPartition)
			if !ok || !bytes.Equal(o[run.Position:run.Position+run.Length], slices.Concat(p.Batches...)) {
				t.Fatalf("run of %v: %+v", p.TopicPartition, run)
			}
			if p.TopicPartition != given[i].TopicPartition {
				t.Fatal("the caller's slice was sorted")
			}
		}
	})
}

func TestSeal_CopiesNoBatch(t *testing.T) {
	a, b := batch(t, 1), batch(t, 2)
	s := seal(t, partition(topic(2), 0, b), partition(topic(1), 0, a))
	if len(s.Chunks) != 4 || &s.Chunks[1][0] != &a[0] || &s.Chunks[2][0] != &b[0] {
		t.Errorf("%d chunks, or others than the caller's", len(s.Chunks))
	}
}

func TestSeal_CountsWhatARunHolds(t *testing.T) {
	first, second := batch(t, -7, -3), batch(t, -5)
	s := seal(t, partition(topic(1), 4, first, second))
	want := Run{
		TopicPartition: record.TopicPartition{Topic: topic(1), Partition: 4},
		Position:       8, Length: int64(len(first) + len(second)), Batches: 2, Records: 3, MaxTimestamp: -3,
	}
	if s.Runs[0] != want {
		t.Errorf("got  %+v\nwant %+v", s.Runs[0], want)
	}
}

func TestSeal_RefusesWhatIsNoSegment(t *testing.T) {
	b := batch(t, 1)
	cut := b[:len(b)-1]
	for name, c := range map[string]struct {
		partitions []Partition
		want       error
	}{
		"nothing":            {nil, ErrUnsealable},
		"no batches":         {[]Partition{partition(topic(1), 0)}, ErrUnsealable},
		"partition twice":    {[]Partition{partition(topic(1), 0, b), partition(topic(2), 0, b), partition(topic(1), 0, b)}, ErrUnsealable},
		"negative partition": {[]Partition{partition(topic(1), -1, b)}, ErrUnsealable},
		"cut batch":          {[]Partition{partition(topic(1), 0, cut)}, ErrUnsealable},
		"two in one slice":   {[]Partition{partition(topic(1), 0, slices.Concat(b, b))}, ErrUnsealable},
		"no batch":           {[]Partition{partition(topic(1), 0, []byte("x"))}, record.ErrCorrupt},
	} {
		if _, err := Seal(c.partitions); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", name, err, c.want)
		}
	}
}

func TestIndex_FindOfAPartitionThatIsNotThere(t *testing.T) {
	s := seal(t, partition(topic(1), 3, batch(t, 1)), partition(topic(2), 3, batch(t, 1)))
	for _, tp := range []record.TopicPartition{{Topic: topic(1), Partition: 2}, {Topic: topic(1), Partition: 4}, {Topic: topic(3)}, {}} {
		if run, ok := s.Find(tp); ok || run != (Run{}) {
			t.Errorf("%v: got %+v", tp, run)
		}
	}
}

func TestReadIndex_AShortTailSaysWhatIsNeeded(t *testing.T) {
	var partitions []Partition
	for i := range int32(20_000) {
		partitions = append(partitions, partition(topic(byte(i%3)), i, batch(t, 1700000000000+int64(i)*7)))
	}
	s := seal(t, partitions...)
	o := object(s)
	var short *ShortTailError
	if _, err := ReadIndex(o[len(o)-TailBytes:]); !errors.As(err, &short) {
		t.Fatalf("got %v, want a ShortTailError", err)
	}
	if want := int64(len(s.Chunks[len(s.Chunks)-1])); short.Need != want {
		t.Fatalf("needs %d, want %d", short.Need, want)
	}
	got, err := ReadIndex(o[int64(len(o))-short.Need:])
	if err != nil {
		t.Fatal(err)
	}
	checkIndex(t, got, s.Index)
	if _, err := ReadIndex(o[int64(len(o))-short.Need+1:]); !errors.As(err, &short) {
		t.Errorf("one byte short: got %v", err)
	}
}

func TestTailBytes_HoldTheIndexOfFiveThousandPartitions(t *testing.T) {
	var runs []Run
	for i := range int32(5000) {
		runs = append(runs, Run{
			TopicPartition: record.TopicPartition{Topic: topic(byte(i / 50)), Partition: i % 50},
			Length:         20_000, Batches: 3, Records: 900, MaxTimestamp: 1700000000000 + int64(i)*7919%4000,
		})
	}
	tail, err := appendTail(0, runs)
	if err != nil {
		t.Fatal(err)
	}
	if len(tail) > TailBytes {
		t.Errorf("%d bytes, TailBytes is %d", len(tail), TailBytes)
	}
	t.Logf("%d bytes a run", len(tail)/len(runs))
}
