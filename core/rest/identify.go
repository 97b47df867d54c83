package rest

import (
	"context"
	"errors"
	"net/http"

	"github.com/firnlog/firnlog/core/auth"
)

// Authenticator says who sent a request; *auth.HTTP is it.
type Authenticator interface {
	// Authenticate gives auth.ErrDenied or auth.ErrNotNow where it cannot.
	Authenticate(r *http.Request) (*auth.Identity, error)
	// Challenge are the values of WWW-Authenticate.
	Challenge() []string
}

// identify finds out who asks, before the request is looked at any further, and whether they may ask at all. Without an
// Authenticator everybody is what the platform says, or anonymous.
func (s *Server) identify(c *call) error {
	if s.backend.Authenticator != nil {
		id, err := s.backend.Authenticator.Authenticate(c.r)
		switch {
		case errors.Is(err, auth.ErrNotNow):
			return errNotNow
		case err != nil:
			for _, challenge := range s.backend.Authenticator.Challenge() {
				c.w.Header().Add("WWW-Authenticate", challenge)
			}
			return errNoIdentity
		}
		c.ctx = auth.WithIdentity(c.ctx, id)
		c.r = c.r.WithContext(auth.WithIdentity(c.r.Context(), id))
	}
	request := auth.Resource{Type: auth.ResourceRequest, Name: c.r.Method + " " + c.r.URL.Path}
	if !s.may(c.ctx, auth.OperationDispatch, request) {
		return errForbidden
	}
	return nil
}

// may asks the authorizer; without one everybody may do everything.
func (s *Server) may(ctx context.Context, op auth.Operation, on auth.Resource) bool {
	return s.backend.Authorizer == nil || auth.Ask(ctx, s.backend.Authorizer, op, on)
}

var (
	errNoIdentity = failf(http.StatusUnauthorized, 40101, "authentication is required, or its credentials are wrong")
	errForbidden  = failf(http.StatusForbidden, 40301, "not allowed")
)
