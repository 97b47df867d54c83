//go:build stack

package stack_test

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/firnlog/firnlog/tests/stack/harness"
)

// wire is a connection without a client library.
type wire struct {
	t *testing.T
	net.Conn
}

func dial(t *testing.T, b *harness.Broker) *wire {
	t.Helper()
	conn, err := net.DialTimeout("tcp", b.Kafka, 10*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &wire{t, conn}
}

// frame is a request as it goes over the wire.
func frame(req kmsg.Request, version int16, correlation int32) []byte {
	req.SetVersion(version)
	return kmsg.NewRequestFormatter(kmsg.FormatterClientID("raw")).AppendRequest(nil, req, correlation)
}

// answer reads one response: what follows its size. ok is false when the connection was closed instead.
func (w *wire) answer(limit time.Duration) (body []byte, ok bool) {
	w.t.Helper()
	if err := w.SetReadDeadline(time.Now().Add(limit)); err != nil {
		w.t.Fatal(err)
	}
	var size [4]byte
	if _, err := io.ReadFull(w, size[:]); err != nil {
		if errors.Is(err, os.ErrDeadlineExceeded) {
			w.t.Fatalf("neither an answer nor an end of the connection within %v", limit)
		}
		return nil, false
	}
	body = make([]byte, binary.BigEndian.Uint32(size[:]))
	if _, err := io.ReadFull(w, body); err != nil {
		w.t.Fatalf("answer cut short: %v", err)
	}
	return body, true
}

// works makes a request that any broker answers.
func (w *wire) works() bool {
	w.t.Helper()
	if _, err := w.Write(frame(kmsg.NewPtrApiVersionsRequest(), 0, 77)); err != nil {
		return false
	}
	body, ok := w.answer(10 * time.Second)
	return ok && len(body) > 4 && binary.BigEndian.Uint32(body) == 77
}
