package console

import (
	"net/http"
	"time"
)

// Answered is a request and how it went. Route is a row of the API, or the console as a whole; none of it is what a client made up.
type Answered struct {
	Route, Method string
	Status        int
	Took          time.Duration
	BytesOut      int64
}

// observed is what one request shows of itself.
type observed struct {
	http.ResponseWriter
	route   string
	started time.Time
	status  int
	out     int64
}

// finish tells how it went.
func (s *Server) finish(r *http.Request, o *observed) {
	if s.backend.Answered == nil {
		return
	}
	a := Answered{Route: o.route, Method: "other", Status: o.status, Took: time.Since(o.started), BytesOut: o.out}
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		a.Method = http.MethodGet
	}
	if a.Status == 0 {
		a.Status = http.StatusOK
	}
	s.backend.Answered(a)
}

// WriteHeader implements http.ResponseWriter.
func (o *observed) WriteHeader(status int) {
	if o.status == 0 {
		o.status = status
	}
	o.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (o *observed) Write(b []byte) (int, error) {
	n, err := o.ResponseWriter.Write(b)
	o.out += int64(n)
	return n, err
}

// Unwrap is for http.ResponseController.
func (o *observed) Unwrap() http.ResponseWriter { return o.ResponseWriter }
