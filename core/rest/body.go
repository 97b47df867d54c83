package rest

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// errTooMuch: a body is above its limit.
var errTooMuch = errors.New("body above its limit")

// limited reads at most left bytes, then says errTooMuch.
type limited struct {
	r    io.Reader
	left int64
}

func (l *limited) Read(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	if l.left <= 0 {
		if n, err := l.r.Read(b[:1]); n == 0 {
			return 0, err
		}
		return 0, errTooMuch
	}
	n, err := l.r.Read(b[:min(int64(len(b)), l.left)])
	l.left -= int64(n)
	return n, err
}

// unpacked gives the body without gzip; most bounds what it may unpack to.
func (s *Server) unpacked(c *call, sent, most int64) (io.Reader, error) {
	body := io.Reader(&limited{c.r.Body, sent})
	switch encoding := strings.ToLower(strings.TrimSpace(c.r.Header.Get("Content-Encoding"))); encoding {
	case "", "identity":
		return body, nil
	case "gzip", "x-gzip":
		unzip, err := gzip.NewReader(body)
		if err != nil {
			return nil, s.bodyError(c, err)
		}
		return &limited{unzip, most}, nil
	default:
		return nil, failf(415, 415, "content encoding %q is not read here: use gzip or none", encoding)
	}
}

// body reads all of it.
func (s *Server) body(c *call) ([]byte, error) {
	if c.r.ContentLength > s.settings.BodyBytesMax {
		return nil, s.bodyError(c, errTooMuch)
	}
	s.bodyBy(c, time.Now().Add(s.settings.BodyTimeout))
	defer s.bodyBy(c, time.Time{}) // waiting for records may take longer
	r, err := s.unpacked(c, s.settings.BodyBytesMax, s.settings.UnpackedBytesMax)
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(r)
	if err != nil {
		return nil, s.bodyError(c, err)
	}
	return b, nil
}

// bodyBy cuts off a client that sends slowly; zero: no more. Functions have no sockets, and whole bodies.
func (s *Server) bodyBy(c *call, t time.Time) {
	_ = http.NewResponseController(c.w).SetReadDeadline(t)
}

// bodyError says why a body could not be read.
func (s *Server) bodyError(c *call, err error) error {
	var timeout interface{ Timeout() bool }
	switch {
	case errors.Is(err, errTooMuch):
		return failf(413, 413, "the body is too large: at most %d bytes, and %d when unpacked", s.settings.BodyBytesMax, s.settings.UnpackedBytesMax)
	case errors.As(err, &timeout) && timeout.Timeout():
		return failf(408, 408, "the body did not come in time")
	}
	return failf(400, 400, "the body cannot be read: %v", err)
}

// decode reads a JSON body into v. An empty one leaves v as it is, if that may be.
func (s *Server) decode(c *call, v any, mayBeEmpty bool) error {
	b, err := s.body(c)
	if err != nil {
		return err
	}
	if len(bytes.TrimSpace(b)) == 0 {
		if mayBeEmpty {
			return nil
		}
		return c.malformed("there is none")
	}
	if !utf8.Valid(b) { // it would be replaced, and something else be stored
		return c.malformed("it is not UTF-8")
	}
	if err := json.Unmarshal(b, v); err != nil {
		return c.malformed("%s", jsonError(err))
	}
	return nil
}

// malformed is a body that is not what it should be: 422 in version 2, 400 in version 3.
func (c *call) malformed(format string, args ...any) error {
	status := http.StatusUnprocessableEntity
	if c.route.speaks == v3 || c.route.speaks == v3Stream {
		status = http.StatusBadRequest
	}
	return failf(status, status, "the body is not what it should be: %s", fmt.Sprintf(format, args...))
}

// jsonError says what is wrong without the names of Go's types.
func jsonError(err error) string {
	var kind *json.UnmarshalTypeError
	var syntax *json.SyntaxError
	switch {
	case errors.As(err, &kind) && kind.Field != "":
		return fmt.Sprintf("%s must not be a JSON %s", kind.Field, kind.Value)
	case errors.As(err, &kind):
		return fmt.Sprintf("it must not be a JSON %s", kind.Value)
	case errors.As(err, &syntax):
		return fmt.Sprintf("it is not JSON (byte %d: %v)", syntax.Offset, err)
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return "it is not whole"
	}
	return err.Error()
}

// query reads the query's parameters; a malformed query has none.
func (c *call) query() url.Values { return c.r.URL.Query() }

// number reads a whole number of the query.
func (c *call) number(name string, usual, least, most int64) (int64, error) {
	text := c.query().Get(name)
	if text == "" {
		return usual, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < least || n > most {
		return 0, failf(c.invalid(), c.invalid(), "%s=%q: want a whole number from %d to %d", name, text, least, most)
	}
	return n, nil
}

// invalid is the status of parameters that are not what they should be.
func (c *call) invalid() int {
	if c.route.speaks == v3 || c.route.speaks == v3Stream {
		return http.StatusBadRequest
	}
	return http.StatusUnprocessableEntity
}

// partition is the path's partition number.
func (c *call) partition() (int32, error) {
	n, err := strconv.ParseInt(c.params["partition"], 10, 32)
	if err != nil {
		return 0, fmt.Errorf("%w: %q is not a number", errNoPartition, c.params["partition"])
	}
	if n < 0 || n > math.MaxInt32 {
		return 0, fmt.Errorf("%w: %d", errNoPartition, n)
	}
	return int32(n), nil
}

// wait bounds what a client may ask to wait for records: it ends before the request's own time does.
func (s *Server) wait(c *call, ms int64) time.Duration {
	const forAnswer = 2 * time.Second
	d := min(time.Duration(ms)*time.Millisecond, s.settings.FetchWaitMax)
	if deadline, has := c.ctx.Deadline(); has {
		d = min(d, time.Until(deadline)-forAnswer)
	}
	return max(d, 0)
}
