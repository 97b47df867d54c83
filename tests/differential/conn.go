package differential

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/twmb/franz-go/pkg/kbin"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// answerMax is how long an answer may take; one that never comes is "no answer".
const answerMax = 5 * time.Second

// conn is one connection, with framing of its own: a client library would choose versions, retry,
// and hide what a broker does to a connection.
type conn struct {
	net.Conn
	formatter   *kmsg.RequestFormatter
	correlation int32
}

func dial(address string) (*conn, error) {
	c, err := net.DialTimeout("tcp", address, answerMax)
	if err != nil {
		return nil, fmt.Errorf("dial broker: %w", err)
	}
	return &conn{Conn: c, formatter: kmsg.NewRequestFormatter(kmsg.FormatterClientID("differential"))}, nil
}

// frame encodes a request with its size.
func (c *conn) frame(req kmsg.Request) []byte {
	c.correlation++
	return c.formatter.AppendRequest(nil, req, c.correlation)
}

// ask sends a request and reads its answer.
func (c *conn) ask(req kmsg.Request) (kmsg.Response, error) {
	if _, err := c.Write(c.frame(req)); err != nil {
		return nil, fmt.Errorf("send request: %w", err)
	}
	body, err := c.read(answerMax)
	if err != nil {
		return nil, err
	}
	return c.decode(req, body)
}

// read gives the next frame. Errors: errSilent.
func (c *conn) read(limit time.Duration) ([]byte, error) {
	if err := c.SetReadDeadline(time.Now().Add(limit)); err != nil {
		return nil, err
	}
	var size [4]byte
	if _, err := io.ReadFull(c, size[:]); err != nil {
		if timeout := net.Error(nil); errors.As(err, &timeout) && timeout.Timeout() {
			return nil, errSilent
		}
		return nil, fmt.Errorf("read answer: %w", err)
	}
	n := binary.BigEndian.Uint32(size[:])
	if n > 128<<20 {
		return nil, fmt.Errorf("answer of %d bytes", n)
	}
	body := make([]byte, n)
	_, err := io.ReadFull(c, body)
	return body, err
}

// errSilent: no answer within the limit, and the connection is open.
var errSilent = errors.New("no answer")

func (c *conn) decode(req kmsg.Request, body []byte) (kmsg.Response, error) {
	r := kbin.Reader{Src: body}
	if got := r.Int32(); got != c.correlation {
		return nil, fmt.Errorf("correlation id %d, want %d", got, c.correlation)
	}
	resp := req.ResponseKind()
	if resp.IsFlexible() && req.Key() != kmsg.ApiVersions.Int16() {
		if n := r.Uvarint(); n != 0 {
			return nil, fmt.Errorf("%d tags in the header of an answer", n)
		}
	}
	if !r.Ok() {
		return nil, fmt.Errorf("answer of %d bytes", len(body))
	}
	if err := resp.ReadFrom(r.Src); err != nil {
		return nil, fmt.Errorf("decode %s version %d: %w", kmsg.NameForKey(req.Key()), req.GetVersion(), err)
	}
	// What is left over after the last field is an error of the broker.
	if again := resp.AppendTo(nil); len(again) != len(r.Src) {
		return nil, fmt.Errorf("%s version %d: %d bytes, of which %d are read", kmsg.NameForKey(req.Key()), req.GetVersion(), len(r.Src), len(again))
	}
	return resp, nil
}
