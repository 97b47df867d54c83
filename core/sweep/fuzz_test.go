package sweep

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"slices"
	"testing"

	"github.com/oklog/ulid/v2"
)

// FuzzOpenDocket feeds any bytes, as they are and with the checksum made right. Sweep deletes what dockets name: what is
// read must be what was written.
func FuzzOpenDocket(f *testing.F) {
	b, err := sealDocket("era", []ulid.ULID{{1}, {2}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		openAgain(t, b)
		if len(b) >= 4 {
			b = bytes.Clone(b)
			binary.BigEndian.PutUint32(b[len(b)-4:], crc32.Checksum(b[:len(b)-4], castagnoli()))
			openAgain(t, b)
		}
	})
}

func openAgain(t *testing.T, b []byte) {
	era, ids, err := openDocket(b)
	if err != nil {
		return
	}
	sealed, err := sealDocket(era, ids)
	if err != nil {
		t.Fatal(err)
	}
	if e, i, err := openDocket(sealed); err != nil || e != era || !slices.Equal(i, ids) {
		t.Fatalf("%q %v is read as %q %v: %v", era, ids, e, i, err)
	}
}
