package record

import (
	"bytes"
	"testing"
)

// FuzzBatch feeds any bytes to everything that reads batches; once as they are and once with
// the CRC made right, so that what lies behind it is reached.
func FuzzBatch(f *testing.F) {
	for codec := CodecNone; codec <= CodecZstd; codec++ {
		f.Add(build(f, Settings{Codec: codec, Sequence: &Sequence{Producer: 1}}, numbered(3)...))
		f.Add(build(f, Settings{Codec: codec}, message{1, nil, []byte{}, []RecordHeader{{"h", nil}}}))
	}
	f.Add(Marker{Producer: 1, Commit: true}.Batch())
	f.Add(bytes.Repeat(build(f, Settings{}, numbered(1)...), 2))
	f.Fuzz(func(t *testing.T, b []byte) {
		readAll(t, b)
		if len(b) >= HeaderSize {
			b = bytes.Clone(b)
			writeCRC(b)
			readAll(t, b)
		}
	})
}

const fuzzBytesMax = 1 << 20

func readAll(t *testing.T, b []byte) {
	walked := 0
	for batch, err := range Batches(b) {
		if err != nil {
			break
		}
		walked += len(batch)
	}
	if walked > len(b) {
		t.Fatalf("walked %d bytes of %d", walked, len(b))
	}
	records := 0
	var broken error
	for _, err := range Records(b, fuzzBytesMax) {
		if err != nil {
			broken = err
			break
		}
		records++
	}
	h, err := Validate(b, Limits{Deep: true, DecompressedBytesMax: fuzzBytesMax})
	if err == nil && (broken != nil || records != int(h.Records) || walked != len(b)) {
		t.Fatalf("a valid batch of %d records walks as %d: %v", h.Records, records, broken)
	}
	if _, err := ValidateKeys(b, Limits{DecompressedBytesMax: fuzzBytesMax}); (err == nil) != (broken == nil) {
		t.Fatalf("ValidateKeys says %v, Records %v", err, broken)
	}
	_, _, _, _ = FirstAtOrAfter(b, h.MaxTimestamp, 0, fuzzBytesMax)
	if _, _, ok, err := MaxTimestampRecord(b, fuzzBytesMax); err == nil && ok != (records > 0) {
		t.Fatalf("newest of %d records: %v", records, ok)
	}
	_, _ = ReadMarker(b)
	if c, err := Clean(b, Cleaning{Keep: func(Record) bool { return true }, Always: true, DecompressedMax: fuzzBytesMax}); err == nil && c.Changed {
		if _, err := Check(c.Batch); err != nil {
			t.Fatal(err)
		}
	}
}
