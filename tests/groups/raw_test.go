//go:build stack

package groups

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// wire is one TCP connection of one member, without a client library: what it costs is the broker's own.
type wire struct {
	net.Conn
	last int32
}

func dialWire(address string) (*wire, error) {
	c, err := net.DialTimeout("tcp", address, 20*time.Second)
	return &wire{Conn: c}, err
}

// ask sends a request of the version that is set, and reads the answer.
func (w *wire) ask(req kmsg.Request) (kmsg.Response, error) {
	w.last++
	if err := w.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		return nil, err
	}
	if _, err := w.Write(kmsg.NewRequestFormatter(kmsg.FormatterClientID("member")).AppendRequest(nil, req, w.last)); err != nil {
		return nil, err
	}
	head := make([]byte, 8)
	if _, err := io.ReadFull(w, head); err != nil {
		return nil, err
	}
	body := make([]byte, binary.BigEndian.Uint32(head)-4)
	if _, err := io.ReadFull(w, body); err != nil {
		return nil, err
	}
	resp := req.ResponseKind()
	if resp.IsFlexible() {
		body = body[1:] // no tags in the header
	}
	if err := resp.ReadFrom(body); err != nil {
		return nil, fmt.Errorf("read answer: %w", err)
	}
	return resp, nil
}
