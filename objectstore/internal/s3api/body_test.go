package s3api

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"hash/crc32"
	"io"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"
)

func TestBody_ReadsAndSeeksLikeTheJoinedChunks(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		chunks := rapid.SliceOfN(rapid.SliceOfN(rapid.Byte(), 0, 9), 0, 9).Draw(t, "chunks")
		whole := bytes.Join(chunks, nil)
		body, model := NewBody(chunks), bytes.NewReader(whole)
		if body.Size() != int64(len(whole)) {
			t.Fatalf("size %d of %d", body.Size(), len(whole))
		}
		for range rapid.IntRange(1, 20).Draw(t, "steps") {
			if rapid.Bool().Draw(t, "seek") {
				offset := rapid.Int64Range(-20, 100).Draw(t, "offset")
				whence := rapid.IntRange(io.SeekStart, io.SeekEnd).Draw(t, "whence")
				got, failed := body.Seek(offset, whence)
				want, expected := model.Seek(offset, whence)
				if (failed == nil) != (expected == nil) || got != want {
					t.Fatalf("seek %d, %d: %d, %v; want %d, %v", offset, whence, got, failed, want, expected)
				}
				continue
			}
			p := make([]byte, rapid.IntRange(1, 30).Draw(t, "read"))
			q := make([]byte, len(p))
			n, failed := body.Read(p)
			m, expected := model.Read(q)
			if n != m || (failed == nil) != (expected == nil) || !bytes.Equal(p, q) {
				t.Fatalf("read: %q, %v; want %q, %v", p[:n], failed, q[:m], expected)
			}
		}
	})
}

func TestBody_IsAReader(t *testing.T) {
	chunks := [][]byte{nil, []byte("abc"), {}, []byte("d"), []byte("efgh"), nil}
	if err := iotest.TestReader(NewBody(chunks), []byte("abcdefgh")); err != nil {
		t.Error(err)
	}
}

func TestBody_ChecksumIsThatOfTheWhole(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		chunks := rapid.SliceOf(rapid.SliceOf(rapid.Byte())).Draw(t, "chunks")
		sum := crc32.Checksum(bytes.Join(chunks, nil), crc32.MakeTable(crc32.Castagnoli))
		want := base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(nil, sum))
		if got := NewBody(chunks).CRC32C(); got != want {
			t.Fatalf("checksum %s, want %s", got, want)
		}
	})
}
