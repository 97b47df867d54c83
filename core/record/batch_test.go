package record

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"testing"

	"pgregory.net/rapid"
)

// message is a record as a test thinks of it.
type message struct {
	timestamp  int64
	key, value []byte
	headers    []RecordHeader
}

func build(t rapid.TB, s Settings, messages ...message) []byte {
	t.Helper()
	b := NewBatch(s)
	for _, m := range messages {
		b.Append(m.timestamp, m.key, m.value, m.headers...)
	}
	out, err := b.Seal()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func numbered(n int) []message {
	var out []message
	for i := range n {
		out = append(out, message{1000 + int64(i), fmt.Appendf(nil, "k%d", i), fmt.Appendf(nil, "value %d", i), nil})
	}
	return out
}

func drawBytes(t *rapid.T, label string) []byte {
	return rapid.OneOf(rapid.Just[[]byte](nil), rapid.Just([]byte{}), rapid.SliceOfN(rapid.Byte(), 1, 300)).Draw(t, label)
}

func drawMessages(t *rapid.T) []message {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) message {
		m := message{timestamp: rapid.Int64().Draw(t, "timestamp"), key: drawBytes(t, "key"), value: drawBytes(t, "value")}
		for range rapid.IntRange(0, 3).Draw(t, "headers") {
			m.headers = append(m.headers, RecordHeader{rapid.String().Draw(t, "header"), drawBytes(t, "header value")})
		}
		return m
	}), 1, 20).Draw(t, "messages")
}

func drawSettings(t *rapid.T) Settings {
	s := Settings{Codec: Codec(rapid.IntRange(0, int(CodecZstd)).Draw(t, "codec"))}
	if rapid.Bool().Draw(t, "idempotent") {
		s.Sequence = &Sequence{
			Producer: ProducerID(rapid.Int64Min(0).Draw(t, "producer")),
			Epoch:    Epoch(rapid.Int16Min(0).Draw(t, "epoch")),
			First:    rapid.Int32Min(0).Draw(t, "sequence"),
		}
		s.Transactional = rapid.Bool().Draw(t, "transactional")
	}
	return s
}

// equalBytes tells null from empty.
func equalBytes(a, b []byte) bool { return (a == nil) == (b == nil) && bytes.Equal(a, b) }

func checkRecords(t rapid.TB, b []byte, want []message) {
	t.Helper()
	h, err := ReadHeader(b)
	if err != nil {
		t.Fatal(err)
	}
	i := 0
	for r, err := range Records(b, 1<<20) {
		if err != nil {
			t.Fatal(err)
		}
		w := want[i]
		if !equalBytes(r.Key, w.key) || !equalBytes(r.Value, w.value) || h.TimestampOf(r) != w.timestamp || r.OffsetDelta != int32(i) {
			t.Fatalf("record %d is %+v, want %+v", i, r, w)
		}
		if len(r.Headers) != len(w.headers) {
			t.Fatalf("record %d has %d headers, want %d", i, len(r.Headers), len(w.headers))
		}
		for j, header := range r.Headers {
			if header.Key != w.headers[j].Key || !equalBytes(header.Value, w.headers[j].Value) {
				t.Fatalf("record %d header %d is %+v, want %+v", i, j, header, w.headers[j])
			}
		}
		i++
	}
	if i != len(want) {
		t.Fatalf("%d records, want %d", i, len(want))
	}
}

func TestBuilder_WhatGoesInComesOut(t *testing.T) {
	encoders := new(Encoders)
	rapid.Check(t, func(t *rapid.T) {
		s, messages := drawSettings(t), drawMessages(t)
		if rapid.Bool().Draw(t, "encoders") {
			s.Encoders = encoders
		}
		b := build(t, s, messages...)
		h, err := Validate(b, Limits{Deep: true})
		if err != nil {
			t.Fatal(err)
		}
		newest := messages[0].timestamp
		for _, m := range messages {
			newest = max(newest, m.timestamp)
		}
		if h.Codec() != s.Codec || h.FirstTimestamp != messages[0].timestamp || h.MaxTimestamp != newest ||
			h.IsTransactional() != s.Transactional || h.HasProducer() != (s.Sequence != nil) || int(h.Size) != len(b) {
			t.Fatalf("header %+v of %+v", h, s)
		}
		if s.Sequence != nil && (Sequence{h.Producer, h.Epoch, h.FirstSequence}) != *s.Sequence {
			t.Fatalf("header %+v, want sequence %+v", h, *s.Sequence)
		}
		checkRecords(t, b, messages)
	})
}

func TestBuilder_WithoutRecordsSealsNothing(t *testing.T) {
	if _, err := NewBatch(Settings{}).Seal(); !errors.Is(err, ErrInvalid) {
		t.Errorf("got %v, want ErrInvalid", err)
	}
	if _, err := NewBatch(Settings{Codec: 5}).Append(1, nil, nil).Seal(); !errors.Is(err, ErrUnknownCodec) {
		t.Errorf("got %v, want ErrUnknownCodec", err)
	}
}

func TestHeader_LastSequenceWrapsToZero(t *testing.T) {
	for _, c := range []struct{ first, delta, want int32 }{
		{0, 0, 0}, {7, 4, 11}, {math.MaxInt32, 0, math.MaxInt32}, {math.MaxInt32, 1, 0}, {math.MaxInt32 - 1, 4, 2}, {-1, 4, -1},
	} {
		h := Header{Producer: 1, FirstSequence: c.first, LastOffsetDelta: c.delta}
		if got := h.LastSequence(); got != c.want {
			t.Errorf("first %d, delta %d: got %d, want %d", c.first, c.delta, got, c.want)
		}
		h.Producer = NoProducer
		if got := h.LastSequence(); got != -1 {
			t.Errorf("without a producer: got %d, want -1", got)
		}
	}
}

func TestBatches_GivesEachWholeBatchInOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var all []byte
		var want [][]byte
		for range rapid.IntRange(0, 5).Draw(t, "batches") {
			b := build(t, drawSettings(t), drawMessages(t)...)
			want = append(want, b)
			all = append(all, b...)
		}
		cut := rapid.IntRange(0, len(all)).Draw(t, "cut")
		i, at := 0, 0
		for b, err := range Batches(all[:cut]) {
			if err != nil {
				if !errors.Is(err, ErrCorrupt) || b != nil {
					t.Fatalf("got %v", err)
				}
				if at+len(want[i]) <= cut {
					t.Fatalf("batch %d is whole, but: %v", i, err)
				}
				return
			}
			if !bytes.Equal(b, want[i]) || cap(b) != len(b) {
				t.Fatalf("batch %d differs", i)
			}
			at += len(b)
			i++
		}
		if at != cut {
			t.Fatalf("walk ended at %d of %d without an error", at, cut)
		}
	})
}

func TestStamp_LeavesTheCRCRight(t *testing.T) {
	b := build(t, Settings{}, numbered(3)...)
	Stamp(b, 1<<40)
	h, err := Check(b)
	if err != nil {
		t.Fatal(err)
	}
	if h.BaseOffset != 1<<40 || h.LastOffset() != 1<<40+2 || h.LeaderEpoch != LeaderEpoch {
		t.Errorf("header %+v", h)
	}
}

func TestStampLogAppendTime_GivesAllRecordsThatTime(t *testing.T) {
	for codec := CodecNone; codec <= CodecZstd; codec++ {
		b := build(t, Settings{Codec: codec}, numbered(3)...)
		records := bytes.Clone(b[HeaderSize:])
		StampLogAppendTime(b, 77)
		h, err := Check(b)
		if err != nil {
			t.Fatal(err)
		}
		if !h.IsLogAppendTime() || h.MaxTimestamp != 77 || h.Codec() != codec {
			t.Errorf("header %+v", h)
		}
		if !bytes.Equal(records, b[HeaderSize:]) {
			t.Error("records changed")
		}
		for r, err := range Records(b, 1<<20) {
			if err != nil || h.TimestampOf(r) != 77 {
				t.Errorf("record at %d, error %v", h.TimestampOf(r), err)
			}
		}
	}
}

func TestValidateAndStamp_AllocateNothing(t *testing.T) {
	b := build(t, Settings{}, message{value: make([]byte, 1<<20)})
	stamped := bytes.Clone(b)
	for name, f := range map[string]func(){
		"Validate":           func() { mustValidate(t, b, Limits{BatchBytesMax: 2 << 20}) },
		"Validate deep":      func() { mustValidate(t, b, Limits{Deep: true}) },
		"Stamp":              func() { Stamp(stamped, 5) },
		"StampLogAppendTime": func() { StampLogAppendTime(stamped, 1) },
	} {
		if n := testing.AllocsPerRun(20, f); n != 0 {
			t.Errorf("%s allocates %v times", name, n)
		}
	}
}

func mustValidate(t *testing.T, b []byte, l Limits) {
	if _, err := Validate(b, l); err != nil {
		t.Fatal(err)
	}
}
