package segment

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"

	"pgregory.net/rapid"
)

func TestReadIndex_EveryDamagedByteIsFound(t *testing.T) {
	s := seal(t, partition(topic(1), 0, batch(t, 5)), partition(topic(1), 1, batch(t, 6), batch(t, 7)), partition(topic(2), 9, batch(t, 8)))
	o := object(s)
	for i := len(o) - len(s.Chunks[len(s.Chunks)-1]); i < len(o); i++ {
		for flip := 1; flip < 256; flip++ {
			c := bytes.Clone(o)
			c[i] ^= byte(flip)
			if _, err := ReadIndex(c); !errors.Is(err, ErrCorrupt) {
				t.Fatalf("byte %d of %d xor %02x: got %v, want ErrCorrupt", i, len(o), flip, err)
			}
		}
	}
}

func TestVerify_EveryDamagedByteIsFound(t *testing.T) {
	s := seal(t, partition(topic(1), 0, batch(t, 5), batch(t, 6)), partition(topic(2), 9, batch(t, 8)))
	o := object(s)
	starts := map[int64]bool{} // of batches
	at := int64(headerSize)
	for _, c := range s.Chunks[1 : len(s.Chunks)-1] {
		starts[at] = true
		at += int64(len(c))
	}
	start := int64(-1)
	for i := range o {
		if starts[int64(i)] {
			start = int64(i)
		}
		// Base offset and leader epoch are the reader's to set.
		if in := int64(i) - start; start >= 0 && int64(i) < at && (in < 8 || (in >= 12 && in < 16)) {
			continue
		}
		c := bytes.Clone(o)
		c[i] ^= 0x10
		if _, err := Verify(c); !errors.Is(err, ErrCorrupt) {
			t.Errorf("byte %d of %d: got %v, want ErrCorrupt", i, len(o), err)
		}
	}
}

func TestReadIndex_EveryCutIsFound(t *testing.T) {
	o := object(seal(t, partition(topic(1), 0, batch(t, 5)), partition(topic(2), 1, batch(t, 6))))
	for n := range o {
		if _, err := ReadIndex(o[:n]); !errors.Is(err, ErrCorrupt) {
			t.Errorf("first %d of %d bytes: got %v, want ErrCorrupt", n, len(o), err)
		}
	}
	if _, err := ReadIndex(append([]byte{0}, o...)); !errors.Is(err, ErrCorrupt) {
		t.Error("a tail longer than the object passes")
	}
	if _, err := Verify(o[1:]); !errors.Is(err, ErrCorrupt) {
		t.Error("an object without its first byte passes")
	}
}

// withFooter makes an object of runs bytes and any footer, with a trailer that fits.
func withFooter(runs int, footer []byte) []byte {
	o := append(append([]byte(magic), make([]byte, runs)...), footer...)
	var b []byte
	b = binary.BigEndian.AppendUint32(b, uint32(len(footer)))
	b = binary.BigEndian.AppendUint32(b, checksum(footer))
	b = binary.BigEndian.AppendUint64(b, uint64(len(o)+trailerSize))
	b = binary.BigEndian.AppendUint32(b, version)
	b = binary.BigEndian.AppendUint32(b, checksum(b))
	return append(append(o, b...), magic...)
}

// A footer may have the right checksum and still lie: whoever can write objects can do that.
func TestReadIndex_AFooterThatLiesIsCorrupt(t *testing.T) {
	numbers := func(v ...uint64) []byte {
		var b []byte
		for _, n := range v {
			b = binary.AppendUvarint(b, n)
		}
		return b
	}
	footer := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	one, two := topic(1), topic(2)
	const last = 1<<31 - 1
	for name, c := range map[string]struct {
		runs   int
		footer []byte
		want   error
	}{
		"sound":                            {61, footer(numbers(1), one[:], numbers(1, 0, 61, 1, 1, 0)), nil},
		"sound, last":                      {61, footer(numbers(1), one[:], numbers(1, last, 61, 1, 1, 0)), nil},
		"sound, no records":                {61, footer(numbers(1), one[:], numbers(1, 0, 61, 1, 0, 0)), nil},
		"empty":                            {0, nil, ErrCorrupt},
		"no topics":                        {0, numbers(0), ErrCorrupt},
		"topic without runs":               {0, footer(numbers(1), one[:], numbers(0, 0, 0, 0, 0, 0)), ErrCorrupt},
		"a billion topics":                 {61, footer(numbers(1<<30), one[:], numbers(1, 0, 61, 1, 1, 0)), ErrCorrupt},
		"a billion runs":                   {61, footer(numbers(1), one[:], numbers(1<<30, 0, 61, 1, 1, 0)), ErrCorrupt},
		"partition too large":              {61, footer(numbers(1), one[:], numbers(1, last+1, 61, 1, 1, 0)), ErrCorrupt},
		"after the last":                   {122, footer(numbers(1), one[:], numbers(2, last, 61, 1, 1, 0, 0, 61, 1, 1, 0)), ErrCorrupt},
		"run past the end":                 {61, footer(numbers(1), one[:], numbers(1, 0, 62, 1, 1, 0)), ErrCorrupt},
		"bytes of no run":                  {62, footer(numbers(1), one[:], numbers(1, 0, 61, 1, 1, 0)), ErrCorrupt},
		"length of 64 bits":                {61, footer(numbers(1), one[:], numbers(1, 0, 1<<63, 1, 1, 0)), ErrCorrupt},
		"no batches":                       {61, footer(numbers(1), one[:], numbers(1, 0, 61, 0, 0, 0)), ErrCorrupt},
		"more batches than bytes for them": {61, footer(numbers(1), one[:], numbers(1, 0, 61, 2, 1, 0)), ErrCorrupt},
		"more records than batches can":    {61, footer(numbers(1), one[:], numbers(1, 0, 61, 1, 1<<31, 0)), ErrCorrupt},
		"topics out of order":              {122, footer(numbers(2), two[:], numbers(1, 0, 61, 1, 1, 0), one[:], numbers(1, 0, 61, 1, 1, 0)), ErrCorrupt},
		"topic twice":                      {122, footer(numbers(2), one[:], numbers(1, 0, 61, 1, 1, 0), one[:], numbers(1, 1, 61, 1, 1, 0)), ErrCorrupt},
		"bytes left":                       {61, footer(numbers(1), one[:], numbers(1, 0, 61, 1, 1, 0, 0)), ErrCorrupt},
		"cut":                              {61, footer(numbers(1), one[:], numbers(1, 0, 61, 1, 1)), ErrCorrupt},
		"endless number":                   {61, bytes.Repeat([]byte{0xff}, 40), ErrCorrupt},
	} {
		if _, err := ReadIndex(withFooter(c.runs, c.footer)); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", name, err, c.want)
		}
	}
}

func TestReadIndex_ALaterVersionIsToldFromDamage(t *testing.T) {
	o := object(seal(t, partition(topic(1), 0, batch(t, 5))))
	b := o[len(o)-trailerSize:]
	b[19] = 2
	binary.BigEndian.PutUint32(b[20:], checksum(b[:20]))
	if _, err := ReadIndex(o); !errors.Is(err, ErrVersion) {
		t.Errorf("got %v, want ErrVersion", err)
	}
}

func TestVerify_AnIndexThatMiscountsIsCorrupt(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := seal(t, partition(topic(1), 0, batch(t, 5), batch(t, 7, 6)), partition(topic(1), 2, batch(t, 1)))
		runs := s.Runs
		r := &runs[rapid.IntRange(0, 1).Draw(t, "run")]
		switch rapid.IntRange(0, 2).Draw(t, "field") {
		case 0:
			r.Records++
		case 1:
			r.MaxTimestamp--
		case 2:
			moved := rapid.Int64Range(1, 60).Draw(t, "bytes")
			runs[0].Length += moved
			runs[1].Length -= moved
			runs[1].Position += moved
		}
		tail, err := appendTail(s.Size-int64(len(s.Chunks[len(s.Chunks)-1])), runs)
		if err != nil {
			t.Fatal(err)
		}
		s.Chunks[len(s.Chunks)-1] = tail
		if _, err := Verify(object(s)); !errors.Is(err, ErrCorrupt) {
			t.Fatalf("got %v, want ErrCorrupt", err)
		}
	})
}

// FuzzReadIndex feeds any bytes, as they are and as a footer with the right checksums.
func FuzzReadIndex(f *testing.F) {
	s := seal(f, partition(topic(1), 0, batch(f, 5)), partition(topic(2), 1, batch(f, 6)))
	tail := s.Chunks[len(s.Chunks)-1]
	f.Add(object(s), uint16(0))
	f.Add(tail[:len(tail)-trailerSize], uint16(s.Size-int64(len(tail))-8))
	f.Fuzz(func(t *testing.T, b []byte, runs uint16) {
		_, _ = ReadIndex(b)
		_, _ = Verify(b)
		o := withFooter(int(runs), b)
		x, err := ReadIndex(o)
		if err != nil {
			return
		}
		again := appendFooter(nil, x.Runs)
		y, err := ReadIndex(withFooter(int(runs), again))
		if err != nil {
			t.Fatalf("runs %+v do not survive: %v", x.Runs, err)
		}
		checkRuns(t, y, x)
		_, _ = Verify(o)
	})
}

func checkRuns(t *testing.T, got, want Index) {
	t.Helper()
	got.Size = want.Size // the footer may have been longer than it had to be
	checkIndex(t, got, want)
}
