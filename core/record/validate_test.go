package record

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"
	"testing"
)

func TestValidate_TellsWhatIsWrong(t *testing.T) {
	plain := func() []byte { return build(t, Settings{}, numbered(3)...) }
	idempotent := func() []byte {
		return build(t, Settings{Sequence: &Sequence{Producer: 9, Epoch: 1, First: 4}}, numbered(3)...)
	}
	// header changes a field and makes the CRC right again.
	header := func(b []byte, change func(h *Header)) []byte {
		h, err := ReadHeader(b)
		if err != nil {
			t.Fatal(err)
		}
		change(&h)
		writeHeader(b, h)
		return b
	}
	set := func(b []byte, at int, v byte) []byte { b[at] = v; return b }
	for _, c := range []struct {
		name   string
		b      []byte
		limits Limits
		want   error
	}{
		{"plain", plain(), Limits{}, nil},
		{"idempotent", idempotent(), Limits{}, nil},
		{"transactional", build(t, Settings{Sequence: &Sequence{}, Transactional: true}, numbered(1)...), Limits{}, nil},
		{"empty", nil, Limits{}, ErrCorrupt},
		{"header cut", plain()[:HeaderSize-1], Limits{}, ErrCorrupt},
		{"cut", plain()[:len(plain())-1], Limits{}, ErrCorrupt},
		{"format 0", set(plain(), atMagic, 0)[:30], Limits{}, ErrOldFormat},
		{"format 1", set(plain(), atMagic, 1), Limits{}, ErrOldFormat},
		{"format 3", set(plain(), atMagic, 3), Limits{}, ErrCorrupt},
		{"length below a header", set(plain(), atLength+3, 48), Limits{}, ErrCorrupt},
		{"length negative", set(plain(), atLength, 0xff), Limits{}, ErrCorrupt},
		{"length overflows", slices.Concat(plain()[:8], []byte{0x7f, 0xff, 0xff, 0xff}, plain()[12:]), Limits{}, ErrCorrupt},
		{"damaged", set(plain(), len(plain())-1, 0xee), Limits{}, ErrCorrupt},
		{"two batches", append(plain(), plain()...), Limits{}, ErrInvalid},
		{"byte after", append(plain(), 0), Limits{}, ErrInvalid},
		{"at the limit", plain(), Limits{BatchBytesMax: len(plain())}, nil},
		{"above the limit", plain(), Limits{BatchBytesMax: len(plain()) - 1}, ErrTooLarge},
		{"base offset", header(plain(), func(h *Header) { h.BaseOffset = 1 }), Limits{}, ErrInvalid},
		{"any leader epoch", header(plain(), func(h *Header) { h.LeaderEpoch = 12 }), Limits{}, nil},
		{"no records", header(plain(), func(h *Header) { h.Records = 0; h.LastOffsetDelta = -1 }), Limits{}, ErrInvalid},
		{"negative records", header(plain(), func(h *Header) { h.Records = -3; h.LastOffsetDelta = -4 }), Limits{}, ErrInvalid},
		{"last offset delta", header(plain(), func(h *Header) { h.LastOffsetDelta = 3 }), Limits{}, ErrInvalid},
		{"control", header(idempotent(), func(h *Header) { h.Attributes |= attrControl }), Limits{}, ErrInvalid},
		{"LogAppendTime", header(plain(), func(h *Header) { h.Attributes |= attrLogAppendTime }), Limits{}, ErrTimestamp},
		{"codec 5", header(plain(), func(h *Header) { h.Attributes |= 5 }), Limits{}, ErrUnknownCodec},
		{"sequence below 0", header(idempotent(), func(h *Header) { h.FirstSequence = -1 }), Limits{}, ErrInvalid},
		{"epoch below 0", header(idempotent(), func(h *Header) { h.Epoch = -1 }), Limits{}, ErrInvalid},
		{"producer -2", header(plain(), func(h *Header) { h.Producer = -2 }), Limits{}, ErrInvalid},
		{"plain with epoch and sequence 0", header(plain(), func(h *Header) { h.Epoch, h.FirstSequence = 0, 0 }), Limits{}, nil},
		{"transactional without producer", header(plain(), func(h *Header) { h.Attributes |= attrTransactional }), Limits{}, ErrInvalid},
		{"claims more records", header(plain(), func(h *Header) { h.Records, h.LastOffsetDelta = 4, 3 }), Limits{Deep: true}, ErrInvalid},
		{"claims fewer records", header(plain(), func(h *Header) { h.Records, h.LastOffsetDelta = 2, 1 }), Limits{Deep: true}, ErrInvalid},
		{"is not gzip", header(plain(), func(h *Header) { h.Attributes |= int16(CodecGzip) }), Limits{Deep: true}, ErrInvalid},
		{"is not gzip, unasked", header(plain(), func(h *Header) { h.Attributes |= int16(CodecGzip) }), Limits{}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			h, err := Validate(c.b, c.limits)
			if !errors.Is(err, c.want) {
				t.Fatalf("got %v, want %v", err, c.want)
			}
			if err != nil && h != (Header{}) {
				t.Errorf("an error and the header %+v", h)
			}
		})
	}
}

func TestCheck_EveryDamagedByteIsFound(t *testing.T) {
	b := build(t, Settings{Codec: CodecLZ4}, numbered(20)...)
	for i := range b {
		if i < atLength || (i >= atLeaderEpoch && i < atMagic) {
			continue // set by Stamp, outside the CRC
		}
		for bit := range 8 {
			c := bytes.Clone(b)
			c[i] ^= 1 << bit
			if _, err := Check(c); err == nil {
				t.Errorf("bit %d of byte %d flipped, and nobody noticed", bit, i)
			}
		}
	}
}

// raw makes a batch that claims so many records around any bytes.
func raw(records int32, body []byte) []byte {
	b := append(make([]byte, HeaderSize), body...)
	writeHeader(b, Header{Producer: NoProducer, Records: records, LastOffsetDelta: records - 1})
	return b
}

func TestValidate_DeepFindsMalformedRecords(t *testing.T) {
	framed := func(body ...byte) []byte { return append(binary.AppendVarint(nil, int64(len(body))), body...) }
	const null = 1 // -1 as varint
	for _, c := range []struct {
		name string
		b    []byte
		want error
	}{
		{"sound", raw(1, framed(0, 0, 0, null, null, 0)), nil},
		{"sound with a header", raw(1, framed(0, 0, 0, null, null, 2, 2, 'h', null)), nil},
		{"empty", raw(1, nil), ErrInvalid},
		{"length past the end", raw(1, []byte{20, 0, 0, 0, null, null, 0}), ErrInvalid},
		{"negative length", raw(1, []byte{null, 0, 0, 0, null, null, 0}), ErrInvalid},
		{"endless varint", raw(1, bytes.Repeat([]byte{0xff}, 20)), ErrInvalid},
		{"length above 32 bits", raw(1, append(binary.AppendVarint(nil, 1<<40), 0, 0, 0, null, null, 0)), ErrInvalid},
		{"record longer than its fields", raw(1, framed(0, 0, 0, null, null, 0, 0)), ErrInvalid},
		{"record cut in its headers", raw(1, framed(0, 0, 0, null, null)), ErrInvalid},
		{"key past the record", raw(1, framed(0, 0, 0, 40, 'k', null, 0)), ErrInvalid},
		{"header without key", raw(1, framed(0, 0, 0, null, null, 2, null, null)), ErrInvalid},
		{"claims a billion headers", raw(1, framed(append([]byte{0, 0, 0, null, null}, binary.AppendVarint(nil, 1<<30)...)...)), ErrInvalid},
		{"negative headers", raw(1, framed(0, 0, 0, null, null, null)), ErrInvalid},
		{"byte after the records", raw(1, append(framed(0, 0, 0, null, null, 0), 0)), ErrInvalid},
		{"offset delta twice", raw(2, append(framed(0, 0, 0, null, null, 0), framed(0, 0, 0, null, null, 0)...)), ErrInvalid},
		{"offset delta past the last", raw(1, framed(0, 0, 2, null, null, 0)), ErrInvalid},
		{"offset delta below 0", raw(1, framed(0, 0, null, null, null, 0)), ErrInvalid},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := Validate(c.b, Limits{Deep: true}); !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
			if _, err := Validate(c.b, Limits{}); err != nil {
				t.Errorf("without Deep: %v", err)
			}
		})
	}
}

func TestValidateKeys_NamesTheRecordsWithoutKey(t *testing.T) {
	for codec := CodecNone; codec <= CodecZstd; codec++ {
		b := build(t, Settings{Codec: codec}, message{}, message{key: []byte{}}, message{key: []byte("k")}, message{})
		bad, err := ValidateKeys(b, Limits{})
		if err != nil || !slices.Equal(bad, []int32{0, 3}) {
			t.Errorf("%v: got %v, %v", codec, bad, err)
		}
	}
	if bad, err := ValidateKeys(build(t, Settings{}, numbered(4)...), Limits{}); bad != nil || err != nil {
		t.Errorf("got %v, %v", bad, err)
	}
	if _, err := ValidateKeys(raw(1, nil), Limits{}); !errors.Is(err, ErrInvalid) {
		t.Errorf("got %v, want ErrInvalid", err)
	}
}
