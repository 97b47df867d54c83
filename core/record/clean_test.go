package record

import (
	"testing"

	"pgregory.net/rapid"
)

func TestClean_KeepsOffsetsProducerSequencesAndTimestamps(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		messages := drawMessages(t)
		b := build(t, drawSettings(t), messages...)
		Stamp(b, 500)
		before, _ := ReadHeader(b)
		wanted := rapid.SliceOfN(rapid.Bool(), len(messages), len(messages)).Draw(t, "keep")
		horizon := rapid.Int64Range(0, 1<<41).Draw(t, "horizon")
		cleaned, err := Clean(b, Cleaning{Keep: func(r Record) bool { return wanted[r.OffsetDelta] }, Horizon: horizon, DecompressedMax: 1 << 20})
		if err != nil {
			t.Fatal(err)
		}
		got, count := cleaned.Batch, cleaned.Kept
		if cleaned.Changed == (&b[0] == &got[0]) {
			t.Fatalf("changed is %v", cleaned.Changed)
		}
		h, err := Check(got)
		if err != nil {
			t.Fatal(err)
		}
		if h.BaseOffset != before.BaseOffset || h.LastOffset() != before.LastOffset() || h.Producer != before.Producer ||
			h.Epoch != before.Epoch || h.LastSequence() != before.LastSequence() ||
			h.Attributes&^attrDeleteHorizon != before.Attributes || int(h.Records) != count {
			t.Fatalf("header %+v was %+v", h, before)
		}
		tombstone := false
		for i := range messages {
			tombstone = tombstone || wanted[i] && messages[i].value == nil
		}
		if at, ok := h.DeleteHorizon(); ok != tombstone || at != h.FirstTimestamp || ok && at != horizon || !ok && at != before.FirstTimestamp {
			t.Fatalf("delete horizon %d %v, want %d %v", at, ok, horizon, tombstone)
		}
		i := 0
		newest, seen := before.MaxTimestamp, false
		for r, err := range Records(got, 1<<20) {
			if err != nil {
				t.Fatal(err)
			}
			for !wanted[i] {
				i++
			}
			if r.OffsetDelta != int32(i) || !equalBytes(r.Key, messages[i].key) || !equalBytes(r.Value, messages[i].value) ||
				len(r.Headers) != len(messages[i].headers) || h.TimestampOf(r) != messages[i].timestamp {
				t.Fatalf("record %+v, want number %d", r, i)
			}
			if !seen || messages[i].timestamp > newest {
				newest, seen = messages[i].timestamp, true
			}
			count--
			i++
		}
		if count != 0 || h.MaxTimestamp != newest {
			t.Fatalf("%d records too few, or max timestamp %d instead of %d", count, h.MaxTimestamp, newest)
		}
	})
}

func TestClean_ABatchWithoutRecordsStaysReadable(t *testing.T) {
	for codec := CodecNone; codec <= CodecZstd; codec++ {
		b := build(t, Settings{Codec: codec, Sequence: &Sequence{Producer: 3, First: 5}}, numbered(2)...)
		cleaned, err := Clean(b, Cleaning{Keep: func(Record) bool { return false }, DecompressedMax: 1 << 20})
		if err != nil || cleaned.Kept != 0 || !cleaned.Changed {
			t.Fatalf("%v: %d kept, %v", codec, cleaned.Kept, err)
		}
		empty := cleaned.Batch
		checkRecords(t, empty, nil)
		h, err := Check(empty)
		if err != nil || h.LastSequence() != 6 || h.LastOffset() != 1 || h.MaxTimestamp != 1001 || h.Codec() != codec {
			t.Errorf("%v: header %+v, %v", codec, h, err)
		}
		again, err := Recompress(empty, CodecNone, 1<<20, nil)
		if err != nil || len(again) != HeaderSize {
			t.Errorf("%v: recompressed to %d bytes, %v", codec, len(again), err)
		}
	}
}

func TestClean_TheDeleteHorizonIsSetOnceAndTimestampsStay(t *testing.T) {
	all := func(Record) bool { return true }
	for codec := CodecNone; codec <= CodecZstd; codec++ {
		want := []message{{timestamp: 1000, key: []byte("a"), value: []byte("x")}, {timestamp: 1001, key: []byte("b")}}
		b := build(t, Settings{Codec: codec}, want...)
		first, err := Clean(b, Cleaning{Keep: all, Horizon: 5_000_000, DecompressedMax: 1 << 20})
		if err != nil || !first.Changed {
			t.Fatalf("%v: %+v, %v", codec, first, err)
		}
		checkRecords(t, first.Batch, want)
		again, err := Clean(first.Batch, Cleaning{Keep: all, Horizon: 9_000_000, DecompressedMax: 1 << 20})
		if err != nil || again.Changed {
			t.Errorf("%v: cleaned again: changed %v, %v", codec, again.Changed, err)
		}
		h, err := Check(again.Batch)
		if at, ok := h.DeleteHorizon(); err != nil || !ok || at != 5_000_000 || h.MaxTimestamp != 1001 {
			t.Errorf("%v: horizon %d %v, max timestamp %d, %v", codec, at, ok, h.MaxTimestamp, err)
		}
	}
	marker := Marker{Producer: 7, Epoch: 1, Commit: true, Timestamp: 1000}
	for _, always := range []bool{false, true} {
		c, err := Clean(marker.Batch(), Cleaning{Keep: all, Horizon: 5000, Always: always, DecompressedMax: 1 << 20})
		if err != nil || c.Changed != always {
			t.Fatalf("marker, always %v: changed %v, %v", always, c.Changed, err)
		}
		if got, err := ReadMarker(c.Batch); err != nil || got != marker {
			t.Errorf("marker %+v, %v", got, err)
		}
	}
}
