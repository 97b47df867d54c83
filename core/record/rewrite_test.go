package record

import (
	"errors"
	"testing"

	"pgregory.net/rapid"
)

func TestRecompress_ChangesNothingButTheCodec(t *testing.T) {
	encoders := new(Encoders)
	rapid.Check(t, func(t *rapid.T) {
		messages := drawMessages(t)
		b := build(t, drawSettings(t), messages...)
		Stamp(b, Offset(rapid.Int64Min(0).Draw(t, "offset")))
		codec := Codec(rapid.IntRange(0, int(CodecZstd)).Draw(t, "to"))
		got, err := Recompress(b, codec, 1<<20, encoders)
		if err != nil {
			t.Fatal(err)
		}
		h, err := Check(got)
		if err != nil {
			t.Fatal(err)
		}
		want, _ := ReadHeader(b)
		want.Size, want.CRC, want.Attributes = h.Size, h.CRC, want.Attributes&^attrCodec|int16(codec)
		if h != want {
			t.Fatalf("header %+v, want %+v", h, want)
		}
		checkRecords(t, got, messages)
	})
}

func TestRecompress_RefusesABombAndWhatIsNoBatch(t *testing.T) {
	b := build(t, Settings{Codec: CodecGzip}, message{value: make([]byte, 1<<20)})
	if _, err := Recompress(b, CodecNone, 1<<19, nil); !errors.Is(err, ErrTooLarge) {
		t.Errorf("got %v, want ErrTooLarge", err)
	}
	if _, err := Recompress(b[:len(b)-1], CodecNone, 1<<21, nil); !errors.Is(err, ErrCorrupt) {
		t.Errorf("got %v, want ErrCorrupt", err)
	}
}

func TestFirstAtOrAfter_FindsTheRecordAndNotTheBatch(t *testing.T) {
	for codec := CodecNone; codec <= CodecZstd; codec++ {
		b := build(t, Settings{Codec: codec}, message{timestamp: 10}, message{timestamp: 30}, message{timestamp: 20}, message{timestamp: 30})
		Stamp(b, 100)
		for _, c := range []struct {
			ms     int64
			from   Offset
			offset Offset
			ts     int64
			ok     bool
		}{
			{0, 0, 100, 10, true},
			{10, 0, 100, 10, true},
			{11, 0, 101, 30, true},
			{20, 102, 102, 20, true},
			{21, 102, 103, 30, true},
			{31, 0, 0, 0, false},
			{0, 104, 0, 0, false},
		} {
			offset, ts, ok, err := FirstAtOrAfter(b, c.ms, c.from, 1<<20)
			if offset != c.offset || ts != c.ts || ok != c.ok || err != nil {
				t.Errorf("%v, %d from %d: got %d, %d, %v, %v", codec, c.ms, c.from, offset, ts, ok, err)
			}
		}
		if offset, ts, ok, err := MaxTimestampRecord(b, 1<<20); offset != 101 || ts != 30 || !ok || err != nil {
			t.Errorf("%v newest: got %d, %d, %v, %v", codec, offset, ts, ok, err)
		}
		StampLogAppendTime(b, 50)
		if offset, ts, ok, err := FirstAtOrAfter(b, 40, 0, 1<<20); offset != 100 || ts != 50 || !ok || err != nil {
			t.Errorf("%v LogAppendTime: got %d, %d, %v, %v", codec, offset, ts, ok, err)
		}
		if offset, ts, ok, err := MaxTimestampRecord(b, 1<<20); offset != 100 || ts != 50 || !ok || err != nil {
			t.Errorf("%v newest with LogAppendTime: got %d, %d, %v, %v", codec, offset, ts, ok, err)
		}
	}
}

func TestMaxTimestampRecord_TrustsTheRecordsOverTheHeader(t *testing.T) {
	b := build(t, Settings{}, message{timestamp: -5}, message{timestamp: -9})
	h, _ := ReadHeader(b)
	h.MaxTimestamp = 1 << 50
	writeHeader(b, h)
	if offset, ts, ok, err := MaxTimestampRecord(b, 0); offset != 0 || ts != -5 || !ok || err != nil {
		t.Errorf("got %d, %d, %v, %v", offset, ts, ok, err)
	}
	empty, err := Clean(b, Cleaning{Keep: func(Record) bool { return false }})
	if err != nil {
		t.Fatal(err)
	}
	if offset, ts, ok, err := MaxTimestampRecord(empty.Batch, 0); offset != 0 || ts != 0 || ok || err != nil {
		t.Errorf("of no records: got %d, %d, %v, %v", offset, ts, ok, err)
	}
}

func TestMarker_ReadsBackAndIsNoProducersBatch(t *testing.T) {
	for _, m := range []Marker{
		{Producer: 7, Epoch: 3, Commit: true, CoordinatorEpoch: 11, Timestamp: 1234},
		{Producer: 0, Epoch: 0},
	} {
		b := m.Batch()
		h, err := Check(b)
		if err != nil {
			t.Fatal(err)
		}
		if !h.IsControl() || !h.IsTransactional() || h.Records != 1 || h.LastSequence() != -1 {
			t.Errorf("header %+v", h)
		}
		if got, err := ReadMarker(b); got != m || err != nil {
			t.Errorf("got %+v, %v, want %+v", got, err, m)
		}
		if _, err := Validate(b, Limits{}); !errors.Is(err, ErrInvalid) {
			t.Errorf("from a producer: got %v, want ErrInvalid", err)
		}
	}
	if _, err := ReadMarker(build(t, Settings{}, numbered(1)...)); !errors.Is(err, ErrInvalid) {
		t.Errorf("of a plain batch: got %v, want ErrInvalid", err)
	}
}
