// Package api serves the HTTP front end from an environment: one request, one invocation.
//
// Each function offers some of the routes of core/rest. What none of them offers is said by 404: forks of topics, and GET /brokers.
//
// Owns: which routes a function has, what a request needs of the log before it begins, and that it is known who asks before that (door.go).
// Does not own: the routes themselves (core/rest), who users are (core/auth), and events (functions/gateway).
package api

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	mathrand "math/rand/v2"
	"net/http"

	"golang.org/x/sync/errgroup"

	"github.com/firnlog/firnlog/core/acl"
	"github.com/firnlog/firnlog/core/instance"
	"github.com/firnlog/firnlog/core/invoke"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/rest"
)

// Offer says whether a function has a route: its method, and its path with {} for each segment that is a name.
type Offer func(method, route string) bool

// API is an http.Handler.
type API struct {
	environment *invoke.Environment
	offer       Offer
	rest        *rest.Server
	log         *slog.Logger
	door        *door // nil: nobody is asked who they are
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
	settings.SameSite = false // where nobody is asked here, the platform says which sites may (CORS)
	settings.BodyBytesMax, settings.FetchBytesMax = 6<<20, fetchBytesMax
	backend := rest.Backend{
		Topics: e.Stream, Appender: e.Ingest, Reader: e.Reader, Cluster: nobody{}, Producers: e.Producers, Admin: e.Admin,
		Groups: e.Groups, Now: e.Now, Random: mathrand.Int32N, NewID: e.NewID, ACLs: e.ACLs, Quotas: e.Quotas,
	}
	if e.CheckACLs {
		backend.Authorizer = &acl.Audit{Authorizer: e.ACLs, FrontEnd: "function", Log: log}
	}
	a := &API{environment: e, offer: offer, log: log}
	if e.Basic || e.Tokens != nil {
		a.door = newDoor(e)
		backend.Authenticator = a.door
	}
	a.rest = rest.New(settings, backend, log)
	return a
}

// ServeHTTP implements http.Handler.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	asked := look(r.URL.EscapedPath())
	if !a.offer(r.Method, asked.route) {
		fail(w, http.StatusNotFound, 404, "this function does not offer "+r.Method+" "+r.URL.Path)
		return
	}
	if a.door != nil {
		var known bool
		if r, known = a.door.open(r); !known {
			a.rest.ServeHTTP(w, r) // which says so: nothing was begun for a stranger
			return
		}
	}
	ctx, done, err := a.begin(r.Context(), asked)
	if err != nil {
		a.refuse(w, err)
		return
	}
	defer done()
	defer a.environment.End()
	if err := a.refresh(ctx); err != nil {
		a.refuse(w, err)
		return
	}
	a.rest.ServeHTTP(w, r.WithContext(ctx))
}

// refresh reads what the request is checked by, at the same time. Without quotas that can be read the last ones count, as in brokers.
func (a *API) refresh(ctx context.Context) error {
	var both errgroup.Group
	if a.environment.CheckACLs {
		both.Go(func() error { return a.environment.ACLs.Refresh(ctx, accessAge) })
	}
	if a.environment.Quotas != nil {
		both.Go(func() error {
			if err := a.environment.Quotas.Refresh(ctx, quotasAge); err != nil {
				a.log.Warn("quotas cannot be read now: the last ones count", "error", err)
			}
			return nil
		})
	}
	return both.Wait()
}

// begin begins an invocation with what the path says of it.
func (a *API) begin(ctx context.Context, asked asked) (context.Context, context.CancelFunc, error) {
	if asked.group != "" {
		return a.environment.BeginGroup(ctx, asked.group, asked.member, asked.need)
	}
	return a.environment.Begin(ctx, asked.need)
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
