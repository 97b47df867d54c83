package segment

import (
	"bytes"
	"errors"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/firnlog/firnlog/core/record"
)

// run is what a settled object shall hold of one partition.
type run struct {
	tp        record.TopicPartition
	base, end record.Offset
	batches   [][]byte
}

func stamped(t rapid.TB, base record.Offset, timestamps ...int64) []byte {
	b := batch(t, timestamps...)
	record.Stamp(b, base)
	return b
}

func settle(t rapid.TB, runs ...run) SettledSealed {
	t.Helper()
	b := NewSettled()
	for _, r := range runs {
		err := b.Begin(r.tp, r.base)
		for _, one := range r.batches {
			err = errors.Join(err, b.Add(one))
		}
		if err = errors.Join(err, b.End(r.end)); err != nil {
			t.Fatal(err)
		}
	}
	s, err := b.Seal()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func settledObject(s SettledSealed) []byte { return slices.Concat(s.Chunks...) }

func checkSettled(t rapid.TB, got, want []SettledRun) {
	t.Helper()
	if !slices.EqualFunc(got, want, func(a, b SettledRun) bool { return a.equal(&b) }) {
		t.Fatalf("got  %+v\nwant %+v", got, want)
	}
}

// drawRuns gives runs in order, some of the same partition, with offsets gone here and there.
func drawRuns(t *rapid.T) (out []run) {
	tp, at := record.TopicPartition{Topic: topic(1)}, record.Offset(0)
	for range rapid.IntRange(1, 8).Draw(t, "runs") {
		switch rapid.IntRange(0, 2).Draw(t, "next") {
		case 1:
			tp.Partition += rapid.Int32Range(1, 1000).Draw(t, "partition")
			at = 0
		case 2:
			tp = record.TopicPartition{Topic: topic(tp.Topic[0] + 1), Partition: rapid.SampledFrom([]int32{0, 3, math.MaxInt32 - 8000}).Draw(t, "partition")}
			at = 0
		}
		gap := rapid.OneOf(rapid.Just[record.Offset](0), rapid.Custom(func(t *rapid.T) record.Offset { return record.Offset(rapid.Int64Range(0, 1<<40).Draw(t, "gap")) }))
		r := run{tp: tp, base: at + gap.Draw(t, "base")}
		at = r.base
		for range rapid.IntRange(0, 4).Draw(t, "batches") {
			stamps := rapid.SliceOfN(rapid.Int64(), 1, 3).Draw(t, "timestamps")
			at += gap.Draw(t, "gone")
			r.batches = append(r.batches, stamped(t, at, stamps...))
			at += record.Offset(len(stamps))
		}
		at = max(at+gap.Draw(t, "gone at the end"), r.base+1)
		r.end = at
		out = append(out, r)
	}
	return out
}

func TestSettled_TheIndexAndTheBatchesReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		runs := drawRuns(t)
		s := settle(t, runs...)
		o := settledObject(s)
		if s.Size != int64(len(o)) {
			t.Fatalf("size %d, is %d", s.Size, len(o))
		}
		tail := len(s.Chunks[len(s.Chunks)-1])
		got, err := ReadSettledIndex(o[rapid.IntRange(0, len(o)-tail).Draw(t, "from"):])
		if err != nil {
			t.Fatal(err)
		}
		checkSettled(t, got.Runs, s.Runs)
		if _, err := VerifySettled(o); err != nil {
			t.Fatal(err)
		}
		for i, r := range runs {
			x := got.Runs[i]
			if x.TopicPartition != r.tp || x.Base != r.base || x.End != r.end || !bytes.Equal(o[x.Position:x.Position+x.Length], slices.Concat(r.batches...)) {
				t.Fatalf("run %d: %+v", i, x)
			}
			if found, ok := got.Find(r.tp, r.end-1); !ok || !found.equal(&x) {
				t.Fatalf("find %d: %+v", r.end-1, found)
			}
			if x.Length > 0 {
				if from := got.From(x.Position, x.Length); len(from) == 0 || !slices.ContainsFunc(from, func(r SettledRun) bool { return r.equal(&x) }) {
					t.Fatalf("from %d: %+v", x.Position, from)
				}
			}
		}
	})
}

func TestSettled_ALongRunHasBlocksThatEndWithBatches(t *testing.T) {
	big := func(base record.Offset, ms int64, size int) []byte {
		b, err := record.NewBatch(record.Settings{}).Append(ms, nil, make([]byte, size)).Append(ms-1, nil, nil).Seal()
		if err != nil {
			t.Fatal(err)
		}
		record.Stamp(b, base)
		return b
	}
	tp := record.TopicPartition{Topic: topic(1)}
	r := run{tp: tp, base: 5, end: 100}
	for i := range 9 { // 1 MiB and a little each: blocks of 4, 4 and 1
		r.batches = append(r.batches, big(record.Offset(10*i+6), int64(1000-i), 1<<20))
	}
	s := settle(t, r, run{record.TopicPartition{Topic: topic(1), Partition: 1}, 0, 2, [][]byte{big(0, 5, 5<<20)}})
	var ends []record.Offset
	var stamps []int64
	length := int64(0)
	for _, k := range s.Runs[0].Blocks {
		ends, stamps, length = append(ends, k.End), append(stamps, k.MaxTimestamp), length+k.Length
	}
	if !slices.Equal(ends, []record.Offset{38, 78, 88}) || !slices.Equal(stamps, []int64{1000, 996, 992}) || length != s.Runs[0].Length {
		t.Errorf("ends %v, stamps %v, %d of %d bytes", ends, stamps, length, s.Runs[0].Length)
	}
	if s.Runs[1].Blocks != nil {
		t.Errorf("a run of one batch has blocks: %v", s.Runs[1].Blocks)
	}
	got, err := VerifySettled(settledObject(s))
	if err != nil {
		t.Fatal(err)
	}
	checkSettled(t, got.Runs, s.Runs)
}

func TestSettled_RefusesWhatIsNoRun(t *testing.T) {
	a, b := record.TopicPartition{Topic: topic(1), Partition: 3}, record.TopicPartition{Topic: topic(1), Partition: 4}
	one := stamped(t, 7, 1, 2) // offsets 7 and 8
	for name, c := range map[string]struct {
		want  error
		steps func(*SettledBuilder) error
	}{
		"nothing":                   {ErrUnsealable, func(s *SettledBuilder) error { return nil }},
		"not ended":                 {ErrUnsealable, func(s *SettledBuilder) error { return s.Begin(a, 0) }},
		"batch without run":         {ErrUnsealable, func(s *SettledBuilder) error { return s.Add(one) }},
		"end without run":           {ErrUnsealable, func(s *SettledBuilder) error { return s.End(4) }},
		"begun twice":               {ErrUnsealable, func(s *SettledBuilder) error { _ = s.Begin(a, 0); return s.Begin(b, 0) }},
		"before its base":           {ErrUnsealable, func(s *SettledBuilder) error { _ = s.Begin(a, 8); return s.Add(one) }},
		"same offsets twice":        {ErrUnsealable, func(s *SettledBuilder) error { _ = s.Begin(a, 0); _ = s.Add(one); return s.Add(one) }},
		"ends within a batch":       {ErrUnsealable, func(s *SettledBuilder) error { _ = s.Begin(a, 0); _ = s.Add(one); return s.End(8) }},
		"empty extent":              {ErrUnsealable, func(s *SettledBuilder) error { _ = s.Begin(a, 5); return s.End(5) }},
		"partitions out of order":   {ErrUnsealable, func(s *SettledBuilder) error { _ = s.Begin(b, 0); _ = s.End(5); return s.Begin(a, 0) }},
		"runs of one overlap":       {ErrUnsealable, func(s *SettledBuilder) error { _ = s.Begin(a, 0); _ = s.End(5); return s.Begin(a, 4) }},
		"negative partition":        {ErrUnsealable, func(s *SettledBuilder) error { return s.Begin(record.TopicPartition{Partition: -1}, 0) }},
		"cut batch":                 {ErrUnsealable, func(s *SettledBuilder) error { _ = s.Begin(a, 0); return s.Add(one[:len(one)-1]) }},
		"no batch":                  {record.ErrCorrupt, func(s *SettledBuilder) error { _ = s.Begin(a, 0); return s.Add([]byte("x")) }},
		"sound after a failed call": {ErrUnsealable, func(s *SettledBuilder) error { _ = s.End(1); _ = s.Begin(a, 0); return s.End(5) }},
	} {
		s := NewSettled()
		err := c.steps(s)
		if _, sealed := s.Seal(); !errors.Is(sealed, c.want) || err != nil && !errors.Is(err, c.want) {
			t.Errorf("%s: %v, sealed %v", name, err, sealed)
		}
	}
}

func TestSettled_NeitherKindIsTakenForTheOther(t *testing.T) {
	tp := record.TopicPartition{Topic: topic(1)}
	if _, err := ReadIndex(settledObject(settle(t, run{tp, 0, 1, [][]byte{stamped(t, 0, 5)}}))); !errors.Is(err, ErrCorrupt) {
		t.Error(err)
	}
	if _, err := ReadSettledIndex(object(seal(t, partition(topic(1), 0, batch(t, 5))))); !errors.Is(err, ErrCorrupt) {
		t.Error(err)
	}
}
