//go:build stack

package stack_test

import (
	"encoding/binary"
	"hash/crc32"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"github.com/firnlog/firnlog/tests/stack/harness"
)

// sized puts a size in front.
func sized(size int32, body ...byte) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(size)), body...)
}

func TestBadInput_FramesCostTheirConnectionOnly(t *testing.T) {
	b := harness.StartDev(t, t.TempDir())
	tr := startTraffic(t, []string{b.Kafka}, "unharmed", 1)
	good := dial(t, b)
	random := rand.New(rand.NewPCG(1, 2))
	garbage := make([]byte, 4096)
	for i := range garbage {
		garbage[i] = byte(random.UintN(256))
	}
	metadata := frame(kmsg.NewPtrMetadataRequest(), 9, 1)
	for name, bytes := range map[string][]byte{
		"a negative size":             sized(-1),
		"the least size":              sized(-1 << 31),
		"size 0":                      sized(0),
		"a size above the limit":      sized(1<<31-1, garbage...),
		"garbage":                     garbage,
		"garbage in a frame":          sized(int32(len(garbage)), garbage...),
		"a header cut short":          sized(3, 0, 3, 0),
		"an unknown request":          sized(10, 0x7f, 0xff, 0, 0, 0, 0, 0, 1, 0, 0),
		"a body cut short":            sized(int32(len(metadata))-4-3, metadata[4:len(metadata)-3]...),
		"a version that is not there": frame(kmsg.NewPtrMetadataRequest(), 99, 1),
		"HTTP":                        []byte("GET / HTTP/1.1\r\nHost: firnlog\r\n\r\n"),
		"TLS":                         {0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc, 0x03, 0x03},
	} {
		w := dial(t, b)
		if _, err := w.Write(bytes); err != nil {
			t.Fatal(err)
		}
		if body, answered := w.answer(20 * time.Second); answered {
			t.Errorf("%s was answered with %d bytes, want the end of the connection", name, len(body))
		}
		if !good.works() {
			t.Fatalf("after %s another connection does not work any more", name)
		}
	}
	half := dial(t, b) // and stays like that
	if _, err := half.Write(metadata[:len(metadata)-1]); err != nil {
		t.Fatal(err)
	}
	tr.more(100)
	if b.Ended() {
		t.Fatal("the broker has ended")
	}
	tr.check()
}

// A client newer than the broker asks for versions in one that the broker does not know; it must
// get version 0 of the answer, with the error and the list (KIP-511).
func TestBadInput_NewerApiVersionsIsAnswered(t *testing.T) {
	b := harness.StartDev(t, t.TempDir())
	w := dial(t, b)
	if _, err := w.Write(frame(kmsg.NewPtrApiVersionsRequest(), 99, 5)); err != nil {
		t.Fatal(err)
	}
	body, ok := w.answer(10 * time.Second)
	if !ok {
		t.Fatal("no answer")
	}
	resp := kmsg.NewPtrApiVersionsResponse()
	if err := resp.ReadFrom(body[4:]); err != nil || resp.ErrorCode != kerr.UnsupportedVersion.Code || len(resp.ApiKeys) == 0 {
		t.Errorf("answer %+v, %v", resp, err)
	}
}

// Fields of a record batch.
const (
	atLength, atMagic, atCRC, atAttributes, atCount = 8, 16, 17, 21, 57
)

func seal(b []byte) []byte {
	binary.BigEndian.PutUint32(b[atCRC:], crc32.Checksum(b[atAttributes:], crc32.MakeTable(crc32.Castagnoli)))
	return b
}

func TestBadInput_BatchesAreRefusedAndNothingElse(t *testing.T) {
	b := harness.StartDev(t, t.TempDir())
	createTopic(t, []string{b.Kafka}, 1, nil, "bad")
	client := newClient(t, []string{b.Kafka}, kgo.MaxVersions(kversion.V3_9_0()))
	for name, c := range map[string]struct {
		spoil func(b []byte) []byte
		want  *kerr.Error
	}{
		"a wrong checksum":         {func(b []byte) []byte { b[atCRC]++; return b }, kerr.CorruptMessage},
		"a flipped bit":            {func(b []byte) []byte { b[len(b)-2] ^= 16; return b }, kerr.CorruptMessage},
		"an unknown codec":         {func(b []byte) []byte { b[atAttributes+1] |= 7; return seal(b) }, kerr.UnsupportedCompressionType},
		"message format 1":         {func(b []byte) []byte { b[atMagic] = 1; return b }, kerr.UnsupportedForMessageFormat},
		"message format 0":         {func(b []byte) []byte { b[atMagic] = 0; return b }, kerr.UnsupportedForMessageFormat},
		"message format 3":         {func(b []byte) []byte { b[atMagic] = 3; return seal(b) }, kerr.CorruptMessage},
		"a count that is not so":   {func(b []byte) []byte { b[atCount+3] = 9; return seal(b) }, kerr.InvalidRecord},
		"a negative count":         {func(b []byte) []byte { b[atCount] = 0x80; return seal(b) }, kerr.InvalidRecord},
		"a length beyond its end":  {func(b []byte) []byte { b[atLength+3]++; return b }, kerr.CorruptMessage},
		"a length far beyond":      {func(b []byte) []byte { b[atLength] = 0x7f; return b }, kerr.MessageTooLarge},
		"half a batch":             {func(b []byte) []byte { return b[:len(b)/2] }, kerr.CorruptMessage},
		"some bytes":               {func([]byte) []byte { return []byte("hello") }, kerr.CorruptMessage},
		"two batches":              {func(b []byte) []byte { return append(b, b...) }, kerr.InvalidRecord},
		"a control batch":          {func(b []byte) []byte { b[atAttributes+1] |= 0x20; return seal(b) }, kerr.InvalidRecord},
		"no batch":                 {func([]byte) []byte { return []byte{} }, kerr.InvalidRecord},
		"nothing wrong, after all": {func(b []byte) []byte { return b }, nil},
	} {
		want := int16(0)
		if c.want != nil {
			want = c.want.Code
		}
		code := produceRaw(within(t, time.Minute), t, client, "bad", c.spoil(batchOf(t, time.Now().UnixNano(), 0, 0)))
		if code != want {
			t.Errorf("%s: %v, want %v", name, kerr.ErrorForCode(code), kerr.ErrorForCode(want))
		}
	}
	if got := ends(t, []string{b.Kafka}, "bad")[0]; got != (extent{0, 1}) {
		t.Errorf("the partition holds %v, want the one good record", got)
	}
}
