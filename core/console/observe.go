package console

import (
	"net/http"
	"time"

	"github.com/firnlog/firnlog/core/observed"
)

// Answered is a request and how it went. Route is a row of the API, or the console as a whole; none of it is what a client made up.
type Answered struct {
	Route, Method string
	Status        int
	Took          time.Duration
	BytesOut      int64
}

// observed is what one request shows of itself.
type seen struct {
	observed.Writer
	route   string
	started time.Time
}

// finish tells how it went.
func (s *Server) finish(r *http.Request, o *seen) {
	if s.backend.Answered == nil {
		return
	}
	a := Answered{Route: o.route, Method: "other", Status: o.Status(), Took: time.Since(o.started), BytesOut: o.Bytes}
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		a.Method = http.MethodGet
	}
	s.backend.Answered(a)
}
