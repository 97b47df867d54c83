package console

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/firnlog/firnlog/core/auth"
	"github.com/firnlog/firnlog/core/observed"
)

// call is one request for JSON.
type call struct {
	ctx    context.Context
	route  *route
	params map[string]string
	query  url.Values
}

const (
	requestTimeout = 20 * time.Second
	writeTimeout   = 30 * time.Second
	gzipMin        = 1024
)

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	o := &seen{Writer: observed.Writer{ResponseWriter: w}, route: "console", started: time.Now()}
	defer func() { s.finish(r, o) }()
	s.serve(o, r)
}

func (s *Server) serve(w *seen, r *http.Request) {
	protect(w.Header())
	defer s.recover(w, r)
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		s.fail(w, r, &failure{http.StatusMethodNotAllowed, "the console reads only", "send GET, or use the REST API: /openapi.yaml describes it"})
		return
	}
	ctx, err := s.identify(w, r)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	name, below := strings.CutPrefix(r.URL.EscapedPath(), Root)
	if !below { // Root without its slash
		http.Redirect(w, r, Root, http.StatusMovedPermanently)
		return
	}
	api, isAPI := strings.CutPrefix(name, "api/")
	if !isAPI {
		s.page(w, r, name)
		return
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	c := &call{ctx: ctx, query: r.URL.Query()}
	if c.route, c.params = match(s.routes, api); c.route == nil {
		s.fail(w, r, &failure{http.StatusNotFound, "there is nothing at this address", "open " + Root})
		return
	}
	w.route = "console/api/" + c.route.path
	body, err := s.handle(c)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.send(w, r, http.StatusOK, body)
}

func (s *Server) handle(c *call) (any, error) {
	if c.route.needs == nil { // forgotten in the table: nobody can say who may
		return nil, errForbidden
	}
	if err := s.backend.Stream.Ready(); err != nil {
		return nil, errNotNow
	}
	return c.route.handle(c)
}

// identify finds out who asks, before anything is looked at.
func (s *Server) identify(w http.ResponseWriter, r *http.Request) (context.Context, error) {
	ctx := r.Context()
	if s.backend.Authenticator != nil {
		id, err := s.backend.Authenticator.Authenticate(r)
		switch {
		case errors.Is(err, auth.ErrNotNow):
			return ctx, errNotNow
		case err != nil:
			for _, challenge := range s.backend.Authenticator.Challenge() {
				w.Header().Add("WWW-Authenticate", challenge)
			}
			return ctx, errNoIdentity
		}
		ctx = auth.WithIdentity(ctx, id)
	}
	if !s.may(ctx, auth.OperationDispatch, auth.Resource{Type: auth.ResourceRequest, Name: r.Method + " " + r.URL.Path}) {
		return ctx, errForbidden
	}
	return ctx, nil
}

// recover answers a panic. One that net/http asks for goes on.
func (s *Server) recover(w http.ResponseWriter, r *http.Request) {
	p := recover()
	switch {
	case p == nil:
		return
	case p == http.ErrAbortHandler: //nolint:errorlint // compared as net/http does
		panic(p)
	}
	s.log.Error("panic in a request", "path", r.URL.Path, "panic", p, "stack", string(debug.Stack()))
	s.fail(w, r, &failure{http.StatusInternalServerError, "internal error", "the log of this instance says more"})
}

func (s *Server) fail(w http.ResponseWriter, r *http.Request, err error) {
	f := failureOf(err)
	if f.status == http.StatusInternalServerError {
		s.log.Warn("request failed", "path", r.URL.Path, "error", err)
	}
	if f.status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "1")
	}
	s.send(w, r, f.status, struct {
		Error string `json:"error"`
		Hint  string `json:"hint"`
	}{f.message, f.hint})
}

// send writes JSON, packed where it is worth it. Nobody may keep it.
func (s *Server) send(w http.ResponseWriter, r *http.Request, status int, body any) {
	_ = http.NewResponseController(w).SetWriteDeadline(s.backend.Now().Add(writeTimeout))
	b, err := json.Marshal(body) // escapes <, > and & in addition
	if err != nil {
		s.log.Error("answer not encoded", "path", r.URL.Path, "error", err)
		status, b = http.StatusInternalServerError, []byte(`{"error":"internal error","hint":""}`)
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("Vary", "Accept-Encoding")
	if len(b) >= gzipMin && strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		var packed bytes.Buffer
		z := gzip.NewWriter(&packed)
		if _, err := z.Write(b); err == nil && z.Close() == nil {
			h.Set("Content-Encoding", "gzip")
			b = packed.Bytes()
		}
	}
	h.Set("Content-Length", strconv.Itoa(len(b)))
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(b) // who asked may be gone
	}
}
