package rest

import (
	"crypto/rand"
	"io"
	"net/http"
	"time"

	"github.com/firnlog/firnlog/core/observed"
	"github.com/firnlog/firnlog/core/quota"
	"github.com/firnlog/firnlog/core/tracing"
)

// Answered is a request and how it went. Route and Method are of openapi.yaml, never what a client made up.
type Answered struct {
	Route, Method     string
	Status            int
	Took              time.Duration
	BytesIn, BytesOut int64
}

// headerRequestID names a request in answers and in the log. What a client gives is kept, if it is one.
const (
	headerRequestID = "X-Request-Id"
	requestIDMax    = 64
)

// observed is what one request shows of itself.
type seen struct {
	observed.Writer
	id      string
	started time.Time
	in      int64
	reading time.Duration // the body
	span    tracing.Span
}

// observe begins to look at a request: it has an id from here on, and a span where they are recorded.
func (s *Server) observe(w http.ResponseWriter, r *http.Request) (*seen, *http.Request) {
	o := &seen{Writer: observed.Writer{ResponseWriter: w}, id: r.Header.Get(headerRequestID), started: time.Now()}
	if !isRequestID(o.id) {
		o.id = rand.Text()
	}
	w.Header().Set(headerRequestID, o.id)
	if s.backend.Trace.On() {
		ctx := s.backend.Trace.Join(r.Context(), r.Header.Get("Traceparent"), r.Header.Get("Tracestate"))
		ctx, o.span = s.backend.Trace.Start(ctx, tracing.Server, "http")
		r = r.WithContext(ctx)
	}
	if r.Body != nil && r.Body != http.NoBody {
		body := *r
		body.Body = &countedBody{r.Body, o}
		r = &body
	}
	return o, r
}

// isRequestID keeps what would make log lines hard to read out of them.
func isRequestID(id string) bool {
	if id == "" || len(id) > requestIDMax {
		return false
	}
	for _, c := range []byte(id) {
		if (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') && c != '-' && c != '_' && c != '.' {
			return false
		}
	}
	return true
}

// finish tells how it went.
func (s *Server) finish(c *call, o *seen) {
	a := Answered{Route: "none", Method: "other", Status: o.Status(), Took: time.Since(o.started), BytesIn: o.in, BytesOut: o.Bytes}
	if c.route != nil {
		a.Route, a.Method = c.route.path, c.route.method
	}
	if c.route != nil && c.route.speaks == v2Read && a.Status < http.StatusMultipleChoices {
		s.use(c.ctx, quota.Fetch, int(o.Bytes))
	}
	if s.backend.Answered != nil {
		s.backend.Answered(a)
	}
	if o.span.On() {
		o.span.Name(a.Method + " " + a.Route)
		o.span.Text("http.route", a.Route)
		o.span.Text("http.request.method", a.Method)
		o.span.Text("firnlog.request", o.id)
		o.span.Number("http.response.status_code", int64(a.Status))
		if a.Status >= http.StatusInternalServerError {
			o.span.Fail(errStatus(a.Status))
		}
		o.span.End()
	}
}

type errStatus int

func (e errStatus) Error() string { return http.StatusText(int(e)) }

type countedBody struct {
	io.ReadCloser
	o *seen
}

func (b *countedBody) Read(p []byte) (int, error) {
	began := time.Now()
	n, err := b.ReadCloser.Read(p)
	b.o.in += int64(n)
	b.o.reading += time.Since(began)
	return n, err
}
