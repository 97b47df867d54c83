package segment

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"

	"pgregory.net/rapid"

	"github.com/firnlog/firnlog/core/record"
)

func goldenSettled(t rapid.TB) SettledSealed {
	const ms = 1700000000000
	at := func(topicNumber byte, n int32) record.TopicPartition {
		return record.TopicPartition{Topic: topic(topicNumber), Partition: n}
	}
	return settle(t,
		run{at(1, 0), 100, 102, [][]byte{stamped(t, 100, ms), stamped(t, 101, ms+3)}},
		run{at(1, 0), 110, 150, nil},
		run{at(1, 3), 0, 20, [][]byte{stamped(t, 5, ms+5), stamped(t, 9, ms+40, ms+20)}},
		run{at(2, 1), 7, 8, [][]byte{stamped(t, 7, ms-10)}})
}

func TestVerifySettled_EveryDamagedByteIsFound(t *testing.T) {
	o := settledObject(goldenSettled(t))
	for i := range o {
		for _, flip := range []byte{0x01, 0x10, 0x80, 0xff} {
			c := bytes.Clone(o)
			c[i] ^= flip
			if _, err := VerifySettled(c); !errors.Is(err, ErrCorrupt) {
				t.Errorf("byte %d of %d xor %02x: got %v, want ErrCorrupt", i, len(o), flip, err)
			}
		}
	}
}

func TestReadSettledIndex_EveryCutIsFound(t *testing.T) {
	o := settledObject(goldenSettled(t))
	for n := range o {
		if _, err := ReadSettledIndex(o[:n]); !errors.Is(err, ErrCorrupt) {
			t.Errorf("first %d of %d bytes: got %v, want ErrCorrupt", n, len(o), err)
		}
	}
	tail := o[len(o)-40:]
	var short *ShortTailError
	if _, err := ReadSettledIndex(tail); !errors.As(err, &short) {
		t.Errorf("got %v, want a ShortTailError", err)
	}
}

func TestVerifySettled_AnIndexThatMiscountsIsCorrupt(t *testing.T) {
	for name, change := range map[string]func(*SettledRun){
		"records":      func(r *SettledRun) { r.Records++ },
		"timestamp":    func(r *SettledRun) { r.MaxTimestamp-- },
		"base too low": func(r *SettledRun) { r.Base += 6 },
		"end too low":  func(r *SettledRun) { r.End = 10 },
		"prefixes":     func(r *SettledRun) { r.Prefixes++ },
	} {
		s := goldenSettled(t)
		change(&s.Runs[2])
		tail, err := sealTail(s.Size-int64(len(s.Chunks[len(s.Chunks)-1])), appendSettledFooter(nil, s.Runs), settledMagic, settledVersion)
		if err != nil {
			t.Fatal(err)
		}
		s.Chunks[len(s.Chunks)-1] = tail
		if _, err := VerifySettled(settledObject(s)); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: got %v, want ErrCorrupt", name, err)
		}
	}
}

// withSettledFooter makes an object of runs bytes and any footer, with a trailer that fits.
func withSettledFooter(t testing.TB, runs int, footer []byte) []byte {
	o := append([]byte(settledMagic), make([]byte, runs)...)
	tail, err := sealTail(int64(len(o)), bytes.Clone(footer), settledMagic, settledVersion)
	if err != nil {
		t.Fatal(err)
	}
	return append(o, tail...)
}

func TestReadSettledIndex_AFooterThatLiesIsCorrupt(t *testing.T) {
	one, two := topic(1), topic(2)
	const last = 1<<31 - 1
	type numbers []uint64
	footer := func(parts ...any) (b []byte) {
		for _, p := range parts {
			switch p := p.(type) {
			case record.TopicID:
				b = append(b, p[:]...)
			case numbers:
				for _, n := range p {
					b = binary.AppendUvarint(b, n)
				}
			}
		}
		return b
	}
	// A run: partition, base, extent, length, batches, records, timestamp, 4 bytes, blocks.
	for name, c := range map[string]struct {
		runs   int
		footer []byte
		want   error
	}{
		"sound":                       {61, footer(numbers{1}, one, numbers{1, 0, 5, 1, 61, 1, 1, 0, 0, 0, 0, 0, 0}), nil},
		"sound, empty":                {0, footer(numbers{1}, one, numbers{1, last, 5, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0}), nil},
		"sound, blocks":               {122, footer(numbers{1}, one, numbers{1, 0, 5, 2, 122, 2, 2, 0, 0, 0, 0, 0, 2, 61, 1, 0, 61, 1, 0}), nil},
		"sound, the same again":       {61, footer(numbers{1}, one, numbers{2, 0, 5, 1, 61, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0}), nil},
		"no extent":                   {61, footer(numbers{1}, one, numbers{1, 0, 5, 0, 61, 1, 1, 0, 0, 0, 0, 0, 0}), ErrCorrupt},
		"end past all":                {61, footer(numbers{1}, one, numbers{1, 0, 1<<63 - 1, 1, 61, 1, 1, 0, 0, 0, 0, 0, 0}), ErrCorrupt},
		"bytes but no batch":          {61, footer(numbers{1}, one, numbers{1, 0, 5, 1, 61, 0, 0, 0, 0, 0, 0, 0, 0}), ErrCorrupt},
		"one block":                   {61, footer(numbers{1}, one, numbers{1, 0, 5, 1, 61, 1, 1, 0, 0, 0, 0, 0, 1, 61, 1, 0}), ErrCorrupt},
		"blocks too short":            {122, footer(numbers{1}, one, numbers{1, 0, 5, 2, 122, 2, 2, 0, 0, 0, 0, 0, 2, 61, 1, 0, 60, 1, 0}), ErrCorrupt},
		"blocks past the end":         {122, footer(numbers{1}, one, numbers{1, 0, 5, 2, 122, 2, 2, 0, 0, 0, 0, 0, 2, 61, 1, 0, 61, 2, 0}), ErrCorrupt},
		"block of no offsets":         {122, footer(numbers{1}, one, numbers{1, 0, 5, 2, 122, 2, 2, 0, 0, 0, 0, 0, 2, 61, 0, 0, 61, 1, 0}), ErrCorrupt},
		"partition too large":         {61, footer(numbers{1}, one, numbers{1, last + 1, 5, 1, 61, 1, 1, 0, 0, 0, 0, 0, 0}), ErrCorrupt},
		"a billion blocks":            {61, footer(numbers{1}, one, numbers{1, 0, 5, 1, 61, 1, 1, 0, 0, 0, 0, 0, 1 << 30}), ErrCorrupt},
		"topics out of order":         {61, footer(numbers{2}, two, numbers{1, 0, 5, 1, 61, 1, 1, 0, 0, 0, 0, 0, 0}, one, numbers{1, 0, 5, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0}), ErrCorrupt},
		"bytes left":                  {61, footer(numbers{1}, one, numbers{1, 0, 5, 1, 61, 1, 1, 0, 0, 0, 0, 0, 0, 0}), ErrCorrupt},
		"bytes of no run":             {62, footer(numbers{1}, one, numbers{1, 0, 5, 1, 61, 1, 1, 0, 0, 0, 0, 0, 0}), ErrCorrupt},
		"cut":                         {61, footer(numbers{1}, one, numbers{1, 0, 5, 1, 61, 1, 1, 0, 0, 0}), ErrCorrupt},
		"no topics":                   {0, footer(numbers{0}), ErrCorrupt},
		"timestamp of nothing at all": {0, footer(numbers{1}, one, numbers{1, 0, 5, 1, 0, 0, 0, 2, 0, 0, 0, 0, 0}), ErrCorrupt},
	} {
		if _, err := ReadSettledIndex(withSettledFooter(t, c.runs, c.footer)); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", name, err, c.want)
		}
	}
}

// FuzzReadSettledIndex feeds any bytes, as they are and as a footer with the right checksums.
func FuzzReadSettledIndex(f *testing.F) {
	s := goldenSettled(f)
	tail := s.Chunks[len(s.Chunks)-1]
	f.Add(settledObject(s), uint16(0))
	f.Add(tail[:len(tail)-trailerSize], uint16(s.Size-int64(len(tail))-8))
	f.Fuzz(func(t *testing.T, b []byte, runs uint16) {
		_, _ = ReadSettledIndex(b)
		_, _ = VerifySettled(b)
		o := withSettledFooter(t, int(runs), b)
		x, err := ReadSettledIndex(o)
		if err != nil {
			return
		}
		y, err := ReadSettledIndex(withSettledFooter(t, int(runs), appendSettledFooter(nil, x.Runs)))
		if err != nil {
			t.Fatalf("runs %+v do not survive: %v", x.Runs, err)
		}
		checkSettled(t, y.Runs, x.Runs)
		_, _ = VerifySettled(o)
	})
}

func TestSettled_BytesAreThoseOfTheGoldenFile(t *testing.T) {
	s := goldenSettled(t)
	length := func(i int) int { return int(s.Runs[i].Length) }
	checkGolden(t, "settled.hex", settledObject(s), []field{
		{8, "magic FIRNSET1"},
		{length(0), "run 1/0: 2 batches of 1 record, offsets 100 and 101"},
		{length(2), "run 1/3: 2 batches of 3 records, offsets 5, 9 and 10"},
		{length(3), "run 2/1: 1 batch of 1 record, offset 7"},
		{1, "footer: 2 topics"},
		{16, "topic 1"}, {1, "3 runs"},
		{1, "partition 0"}, {1, "base 100"}, {1, "end 102: +2"}, {2, "length"}, {1, "2 batches"}, {1, "2 records"}, {6, "max timestamp"}, {4, "CRC-32C of the batches' first bytes"}, {1, "one block"},
		{1, "partition 0 again"}, {1, "base 110: 8 after the end before"}, {1, "end 150: +40"}, {1, "length 0"}, {1, "0 batches"}, {1, "0 records"}, {6, "max timestamp 0"}, {4, "CRC-32C of nothing"}, {1, "one block"},
		{1, "partition 3: +3"}, {1, "base 0"}, {1, "end 20"}, {2, "length"}, {1, "2 batches"}, {1, "3 records"}, {6, "max timestamp"}, {4, "CRC-32C of the batches' first bytes"}, {1, "one block"},
		{16, "topic 2"}, {1, "1 run"},
		{1, "partition 1"}, {1, "base 7"}, {1, "end 8: +1"}, {1, "length"}, {1, "1 batch"}, {1, "1 record"}, {1, "max timestamp -50"}, {4, "CRC-32C of the batch's first bytes"}, {1, "one block"},
		{4, "trailer: length of the footer"}, {4, "CRC-32C of the footer"}, {8, "size of the object"},
		{4, "version 1"}, {4, "CRC-32C of the trailer so far"}, {8, "magic FIRNSET1"},
	})
}
