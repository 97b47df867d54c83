package record

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
	"pgregory.net/rapid"
)

func TestCodec_NamesGoBothWays(t *testing.T) {
	for c := CodecNone; c <= CodecZstd; c++ {
		if got, err := ParseCodec(c.String()); got != c || err != nil {
			t.Errorf("%v: got %v, %v", c, got, err)
		}
	}
	if got, err := ParseCodec("uncompressed"); got != CodecNone || err != nil {
		t.Errorf("got %v, %v", got, err)
	}
	if _, err := ParseCodec("producer"); !errors.Is(err, ErrUnknownCodec) {
		t.Errorf("got %v, want ErrUnknownCodec", err)
	}
}

// text is compressible, so that it unpacks to several times the hint.
func text(n int) []byte {
	r := rand.New(rand.NewPCG(1, 2))
	out := make([]byte, 0, n+100)
	for len(out) < n {
		out = append(out, bytes.Repeat([]byte{byte('a' + r.IntN(6))}, 1+r.IntN(99))...)
	}
	return out[:n]
}

func TestCodec_UnpacksWhatItPacked(t *testing.T) {
	encoders := new(Encoders)
	rapid.Check(t, func(t *rapid.T) {
		codec := Codec(rapid.IntRange(0, int(CodecZstd)).Draw(t, "codec"))
		src := append(text(rapid.IntRange(0, 200_000).Draw(t, "size")), rapid.SliceOf(rapid.Byte()).Draw(t, "noise")...)
		packed, err := encoders.compress([]byte("before"), codec, src)
		if err != nil || !bytes.HasPrefix(packed, []byte("before")) {
			t.Fatalf("packed after %q: %v", packed[:6], err)
		}
		packed = packed[6:]
		got, err := decompress(codec, packed, len(src))
		if err != nil || !bytes.Equal(got, src) {
			t.Fatalf("%v of %d bytes: %v", codec, len(src), err)
		}
		if codec != CodecNone && len(src) > 0 {
			if _, err := decompress(codec, packed, len(src)-1); !errors.Is(err, ErrTooLarge) {
				t.Fatalf("%v one byte above the limit: got %v, want ErrTooLarge", codec, err)
			}
		}
	})
}

// The forms that other clients write, made here with the libraries themselves.
func TestCodec_ReadsWhatOtherClientsWrite(t *testing.T) {
	src := text(300_000)
	var gz, members, frame, window bytes.Buffer
	write := func(w interface {
		Write([]byte) (int, error)
		Close() error
	}, parts ...[]byte) {
		for _, p := range parts {
			if _, err := w.Write(p); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	write(gzip.NewWriter(&gz), src)
	write(gzip.NewWriter(&members), src[:1000])
	write(gzip.NewWriter(&members), src[1000:])
	write(lz4.NewWriter(&frame), src) // 4 MiB blocks, checksums
	z, err := zstd.NewWriter(&window, zstd.WithWindowSize(8<<20), zstd.WithEncoderConcurrency(1))
	if err != nil {
		t.Fatal(err)
	}
	write(z, src[:5], src[5:]) // no content size, a window above the limit below
	for _, c := range []struct {
		name   string
		codec  Codec
		packed []byte
	}{
		{"gzip", CodecGzip, gz.Bytes()},
		{"gzip in two members", CodecGzip, members.Bytes()},
		{"snappy raw block", CodecSnappy, snappy.Encode(nil, src)},
		{"lz4 with checksums", CodecLZ4, frame.Bytes()},
		{"zstd with a large window", CodecZstd, window.Bytes()},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := decompress(c.codec, c.packed, len(src))
			if err != nil || !bytes.Equal(got, src) {
				t.Errorf("%d bytes, %v", len(got), err)
			}
		})
	}
}

func TestCodec_WritesXerialFramingForSnappy(t *testing.T) {
	packed := appendXerial(nil, text(xerialBlock+1))
	if !bytes.HasPrefix(packed, []byte{0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0, 0, 0, 0, 1, 0, 0, 0, 1, 0}) {
		t.Errorf("begins with %x", packed[:20])
	}
}

func TestCodec_MalformedIsInvalid(t *testing.T) {
	for codec := CodecGzip; codec <= CodecZstd; codec++ {
		packed, err := new(Encoders).compress(nil, codec, text(5000))
		if err != nil {
			t.Fatal(err)
		}
		for name, b := range map[string][]byte{
			"cut":   packed[:len(packed)/2],
			"noise": []byte("what is this, it is no compressed data at all"),
		} {
			if _, err := decompress(codec, b, 1<<20); !errors.Is(err, ErrInvalid) {
				t.Errorf("%v %s: got %v, want ErrInvalid", codec, name, err)
			}
		}
	}
	for name, b := range map[string][]byte{
		"claims 4 GiB":      {0xff, 0xff, 0xff, 0xff, 0x0f, 0},
		"cut xerial header": []byte(xerialHeader[:12]),
		"cut block length":  []byte(xerialHeader + "\x00\x00"),
		"block past end":    []byte(xerialHeader + "\xff\xff\xff\xff\x00"),
	} {
		if _, err := decompress(CodecSnappy, b, 1<<40); !errors.Is(err, ErrInvalid) {
			t.Errorf("snappy that %s: got %v, want ErrInvalid", name, err)
		}
	}
}

func TestCodec_BombsAreRefusedCheaply(t *testing.T) {
	zeros := make([]byte, 100<<20)
	for codec := CodecGzip; codec <= CodecZstd; codec++ {
		packed, err := new(Encoders).compress(nil, codec, zeros)
		if err != nil {
			t.Fatal(err)
		}
		used := memory(func() { _, err = decompress(codec, packed, 1<<20) })
		if !errors.Is(err, ErrTooLarge) {
			t.Errorf("%v: got %v, want ErrTooLarge", codec, err)
		}
		if used > 16<<20 {
			t.Errorf("%v: %d bytes packed cost %d bytes of memory", codec, len(packed), used)
		}
	}
}

func TestRecords_ClaimsCostNoMemory(t *testing.T) {
	headers := append([]byte{0, 0, 0, 1, 1}, binary.AppendVarint(nil, 1<<24)...)
	manyHeaders := raw(1, append(binary.AppendVarint(nil, int64(len(headers))), headers...))
	largeBlock := raw(1, []byte{0x80, 0x80, 0x80, 0x80, 0x01, 0}) // 256 MiB
	h, _ := ReadHeader(largeBlock)
	h.Attributes = int16(CodecSnappy)
	writeHeader(largeBlock, h)
	for name, b := range map[string][]byte{"headers": manyHeaders, "snappy block": largeBlock} {
		used := memory(func() {
			for _, err := range Records(b, 1<<30) {
				if !errors.Is(err, ErrInvalid) {
					t.Errorf("%s: got %v, want ErrInvalid", name, err)
				}
			}
		})
		if used > 1<<20 {
			t.Errorf("%s: %d bytes cost %d bytes of memory", name, len(b), used)
		}
	}
}

// memory is how many bytes f allocates.
func memory(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}
