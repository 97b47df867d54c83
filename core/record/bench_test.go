package record

import "testing"

func BenchmarkValidate(b *testing.B) {
	batch := build(b, Settings{}, message{value: text(1 << 20)})
	b.SetBytes(int64(len(batch)))
	for b.Loop() {
		if _, err := Validate(batch, Limits{}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRecords(b *testing.B) {
	for codec := CodecNone; codec <= CodecZstd; codec++ {
		b.Run(codec.String(), func(b *testing.B) {
			batch := build(b, Settings{Codec: codec}, numbered(500)...)
			b.ReportAllocs()
			for b.Loop() {
				for _, err := range Records(batch, 1<<20) {
					if err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}

func BenchmarkRecompress(b *testing.B) {
	batch := build(b, Settings{}, message{value: text(16 << 10)})
	for _, c := range []struct {
		name     string
		encoders *Encoders
	}{{"fresh", nil}, {"kept", new(Encoders)}} {
		for codec := CodecGzip; codec <= CodecZstd; codec++ {
			b.Run(codec.String()+" "+c.name, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if _, err := Recompress(batch, codec, 1<<20, c.encoders); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
