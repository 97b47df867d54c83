package rest

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/firnlog/firnlog/core/quota"
)

// call is one request on its way.
type call struct {
	ctx    context.Context // ends with the request, or when its time is over
	w      http.ResponseWriter
	r      *http.Request
	route  *route
	params map[string]string
	sent   media // what its body is
	wants  media // what its answer shall be
	begun  bool  // the handler has begun to answer by itself
	id     string
}

// answer is what a handler gives.
type answer struct {
	status int
	body   any    // as JSON; nil: nothing
	media  string // "": what the client wants
	// unsent is called when the answer could not be sent.
	unsent func()
}

func ok(body any) (*answer, error) { return &answer{status: http.StatusOK, body: body}, nil }
func done() (*answer, error)       { return &answer{status: http.StatusNoContent}, nil }

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	seen, r := s.observe(w, r)
	c := &call{w: seen, r: r, id: seen.id}
	defer s.finish(c, seen)
	ctx, cancel := context.WithTimeout(r.Context(), s.settings.RequestTimeout)
	defer cancel()
	c.ctx = ctx
	defer s.recover(c)
	if err := s.identify(c); err != nil {
		s.fail(c, err)
		return
	}
	var allow []string
	c.route, c.params, allow = match(s.routes, r.Method, r.URL.EscapedPath())
	if c.route == nil {
		s.noRoute(c, allow)
		return
	}
	stop := s.timed(c, seen)
	a, err := s.handle(c)
	stop()
	switch {
	case err != nil && c.begun:
		s.log.Debug("answer cut short", "request", c.id, "path", r.URL.Path, "error", err)
	case err != nil:
		s.fail(c, err)
	case a != nil:
		s.send(c, a)
	}
}

// recover answers a panic. One that net/http asks for goes on.
func (s *Server) recover(c *call) {
	p := recover()
	switch {
	case p == nil:
		return
	case p == http.ErrAbortHandler: //nolint:errorlint // compared as net/http does
		panic(p)
	}
	s.log.Error("panic in a request", "request", c.id, "method", c.r.Method, "path", c.r.URL.Path, "panic", p, "stack", string(debug.Stack()))
	if !c.begun {
		s.fail(c, failf(500, 500, "internal error"))
	}
}

func (s *Server) noRoute(c *call, allow []string) {
	switch {
	case len(allow) == 0:
		s.fail(c, failf(404, 404, "there is nothing at %s: GET /openapi.yaml tells what is", c.r.URL.Path))
	case c.r.Method == http.MethodOptions:
		c.w.Header().Set("Allow", strings.Join(allow, ", "))
		c.w.WriteHeader(http.StatusNoContent)
	default:
		c.w.Header().Set("Allow", strings.Join(allow, ", "))
		s.fail(c, failf(405, 405, "%s is not offered at %s", c.r.Method, c.r.URL.Path))
	}
}

func (s *Server) handle(c *call) (a *answer, err error) {
	speaks := c.route.speaks
	if c.wants, err = acceptable(c.r.Header.Values("Accept"), speaks); err != nil {
		return nil, err
	}
	if c.r.Method == http.MethodPost || c.r.Method == http.MethodPut || c.r.Method == http.MethodPatch {
		if c.sent, err = contentType(c.r.Header.Get("Content-Type"), speaks); err != nil && c.r.ContentLength != 0 {
			return nil, err
		}
	}
	if speaks != plain {
		if err := s.backend.Topics.Ready(); err != nil {
			return nil, fmt.Errorf("%w: %w", errNotNow, err)
		}
	}
	if c.r.ContentLength != 0 {
		// What nobody has read is read away after the answer.
		defer func() { s.bodyBy(c, time.Now().Add(s.settings.BodyTimeout)) }()
	}
	if err := s.mayUse(c.ctx, quota.Request); err != nil {
		return nil, err
	}
	if c.route.speaks == v2Read {
		if err := s.mayUse(c.ctx, quota.Fetch); err != nil {
			return nil, err
		}
	}
	if c.route.needs == nil { // forgotten in the table: nobody can say who may
		return nil, errForbidden
	}
	return c.route.handle(c)
}

// fail answers an error.
func (s *Server) fail(c *call, err error) {
	speaks := plain
	if c.route != nil {
		speaks = c.route.speaks
	}
	if c.route == nil && strings.HasPrefix(c.r.URL.Path, "/v3/") {
		speaks = v3
	}
	f, known := failureOf(err, speaks)
	if !known {
		s.log.Error("error without a code", "request", c.id, "path", c.r.URL.Path, "error", err)
	} else if f.status == http.StatusInternalServerError {
		s.log.Warn("request failed", "request", c.id, "method", c.r.Method, "path", c.r.URL.Path, "error", err)
	}
	if late, is := errors.AsType[*errThrottled](err); is {
		c.w.Header().Set("Retry-After", strconv.Itoa(late.seconds()))
	}
	if f.status == http.StatusServiceUnavailable {
		c.w.Header().Set("Retry-After", "1")
	}
	kind := mediaV2
	if speaks == v3 || speaks == v3Stream {
		kind = mediaJSON
	} else if c.wants.name != "" {
		kind = c.wants.name
	}
	s.send(c, &answer{status: f.status, body: errorBody{f.code, f.message}, media: kind})
}

// errorBody is what an error looks like.
type errorBody struct {
	Code    int    `json:"error_code"`
	Message string `json:"message"`
}

// gzipMin is what is worth packing.
const gzipMin = 1024

// send writes an answer, packed if that is worth it and wanted.
func (s *Server) send(c *call, a *answer) {
	c.begun = true
	if err := s.write(c, a); err != nil {
		s.log.Debug("answer not sent", "request", c.id, "path", c.r.URL.Path, "error", err)
		if a.unsent != nil {
			a.unsent()
		}
	}
}

func (s *Server) write(c *call, a *answer) error {
	if err := c.r.Context().Err(); err != nil && a.unsent != nil {
		return err
	}
	header := c.w.Header()
	_ = http.NewResponseController(c.w).SetWriteDeadline(time.Now().Add(s.settings.WriteTimeout))
	if a.body == nil {
		c.w.WriteHeader(a.status)
		return nil
	}
	var body bytes.Buffer
	encoder := json.NewEncoder(&body)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(a.body); err != nil {
		return fmt.Errorf("encode answer: %w", err)
	}
	kind := a.media
	if kind == "" {
		kind = c.wants.name
	}
	header.Set("Content-Type", kind)
	header.Add("Vary", "Accept, Accept-Encoding")
	if body.Len() >= gzipMin && wantsGzip(c.r.Header.Values("Accept-Encoding")) {
		packed, err := pack(body.Bytes())
		if err != nil {
			return err
		}
		header.Set("Content-Encoding", "gzip")
		body = packed
	}
	header.Set("Content-Length", strconv.Itoa(body.Len()))
	c.w.WriteHeader(a.status)
	if c.r.Method == http.MethodHead {
		return nil
	}
	if _, err := c.w.Write(body.Bytes()); err != nil {
		return err
	}
	if err := http.NewResponseController(c.w).Flush(); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	return nil
}

func pack(b []byte) (out bytes.Buffer, err error) {
	w := gzip.NewWriter(&out)
	_, err = w.Write(b)
	return out, errors.Join(err, w.Close())
}

// wantsGzip says that the client takes gzip.
func wantsGzip(headers []string) bool {
	for part := range strings.SplitSeq(strings.Join(headers, ","), ",") {
		name, params, _ := strings.Cut(strings.TrimSpace(part), ";")
		if name = strings.TrimSpace(name); !strings.EqualFold(name, "gzip") && name != "*" {
			continue
		}
		q, has := strings.CutPrefix(strings.ReplaceAll(params, " ", ""), "q=")
		if v, err := strconv.ParseFloat(q, 64); !has || err == nil && v > 0 {
			return true
		}
	}
	return false
}
