// Package api serves the HTTP front end from an environment: one request, one invocation.
//
// Each function offers some of the routes of core/rest. What none of them offers yet is said by 404: consumer groups, whose
// requests need a coordinator that lives longer than a request, and GET /brokers.
//
// Owns: which routes a function has, and what a request needs of the log before it begins. Does not own: the routes themselves
// (core/rest), and events (functions/gateway).
package api

import (
	"encoding/json"
	"errors"
	"log/slog"
	mathrand "math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/firnlog/firnlog/core/instance"
	"github.com/firnlog/firnlog/core/invoke"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/rest"
	"github.com/firnlog/firnlog/core/stream"
)

// Offer says whether a function has a route: its method, and its path with {} for each segment that is a name.
type Offer func(method, route string) bool

// API is an http.Handler.
type API struct {
	environment *invoke.Environment
	offer       Offer
	rest        *rest.Server
	log         *slog.Logger
}

// nobody: no instance lives in a function.
type nobody struct{}

func (nobody) Live() []instance.Info { return nil }
func (nobody) Self() int32           { return -1 }

// fetchBytesMax leaves room for base64 and JSON in an answer of 6 MB.
const fetchBytesMax = 3 << 20

// New makes an API.
func New(e *invoke.Environment, offer Offer, log *slog.Logger) *API {
	settings := rest.DefaultSettings()
	settings.BodyBytesMax, settings.FetchBytesMax = 6<<20, fetchBytesMax
	return &API{environment: e, offer: offer, log: log, rest: rest.New(settings, rest.Backend{
		Topics: e.Stream, Appender: e.Ingest, Reader: e.Reader, Cluster: nobody{}, Producers: e.Producers, Admin: e.Admin,
		Groups: e.Groups, Now: e.Now, Random: mathrand.Int32N, NewID: e.NewID,
	}, log)}
}

// ServeHTTP implements http.Handler.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	route, need := look(r.URL.EscapedPath())
	if !a.offer(r.Method, route) {
		fail(w, http.StatusNotFound, 404, "this function does not offer "+r.Method+" "+r.URL.Path)
		return
	}
	ctx, done, err := a.environment.Begin(r.Context(), need)
	if err != nil {
		a.refuse(w, err)
		return
	}
	defer done()
	defer a.environment.End()
	a.rest.ServeHTTP(w, r.WithContext(ctx))
}

// refuse answers an invocation that could not begin: nothing happened, and trying again is safe.
func (a *API) refuse(w http.ResponseWriter, err error) {
	a.log.Error("invocation refused", "error", err)
	if errors.Is(err, ledger.ErrFormat) {
		fail(w, http.StatusInternalServerError, 500, err.Error())
		return
	}
	w.Header().Set("Retry-After", "1")
	fail(w, http.StatusServiceUnavailable, 50003, err.Error())
}

func fail(w http.ResponseWriter, status, code int, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(struct {
		Code    int    `json:"error_code"`
		Message string `json:"message"`
	}{code, message})
}

// look takes a path apart: its route with {} for names, and what it needs of the log. Lists of topics need all of them.
func look(escaped string) (route string, need stream.Need) {
	segments := strings.Split(strings.Trim(escaped, "/"), "/")
	name, fixed := "", len(segments) > 0 && segments[0] == "v3"
	for i := range segments {
		before := ""
		if i > 0 {
			before = segments[i-1]
		}
		switch {
		case before == "topics" && (i == 1 || fixed):
			name, _ = url.PathUnescape(segments[i])
			need.Topics = []string{name}
			segments[i] = "{}"
		case before == "partitions":
			if n, err := strconv.ParseInt(segments[i], 10, 32); err == nil && n >= 0 && name != "" && i+1 < len(segments) {
				need.Partitions = map[string][]int32{name: {int32(n)}}
			}
			segments[i] = "{}"
		case before == "clusters", before == "configs":
			segments[i] = "{}"
		}
	}
	need.AllTopics = name == ""
	return strings.Join(segments, "/"), need
}

// Writes are the routes of the function that produces.
func Writes(method, route string) bool {
	return method == http.MethodPost && one(route, "topics/{}", "topics/{}/partitions/{}", "producers", "v3/clusters/{}/topics/{}/records", "v3/clusters/{}/topics/{}/records:batch") ||
		method == http.MethodGet && one(route, "openapi.yaml", "v3/clusters", "v3/clusters/{}")
}

// Reads are the routes of the function that reads without a group.
func Reads(method, route string) bool {
	return (method == http.MethodGet || method == http.MethodHead) && one(route, "openapi.yaml", "topics", "topics/{}", "topics/{}/partitions", "topics/{}/partitions/{}", "topics/{}/partitions/{}/offsets", "topics/{}/partitions/{}/records",
		"v3/clusters", "v3/clusters/{}", "v3/clusters/{}/topics", "v3/clusters/{}/topics/{}", "v3/clusters/{}/topics/{}/partitions", "v3/clusters/{}/topics/{}/partitions/{}", "v3/clusters/{}/topics/{}/partitions/{}/offset")
}

// Administers are the routes of the function that administers topics.
func Administers(method, route string) bool {
	return one(route, "openapi.yaml", "v3/clusters", "v3/clusters/{}", "v3/clusters/{}/topics", "v3/clusters/{}/topics/{}", "v3/clusters/{}/topics/{}/configs", "v3/clusters/{}/topics/{}/configs:alter", "v3/clusters/{}/topics/{}/configs/{}",
		"v3/clusters/{}/topics/{}/partitions", "v3/clusters/{}/topics/{}/partitions/{}")
}

func one(route string, list ...string) bool {
	for _, r := range list {
		if r == route {
			return true
		}
	}
	return false
}
