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
	if err := s.fromHere(c); err != nil {
		return err
	}
	request := auth.Resource{Type: auth.ResourceRequest, Name: c.r.Method + " " + c.r.URL.Path}
	if !s.may(c.ctx, auth.OperationDispatch, request) {
		return errForbidden
	}
	return nil
}

// fromHere refuses what a page of another site lets a browser send, if it would change something and the browser would prove by itself who asks: with
// a password that it remembers, with a certificate, or by being where nobody else comes. An empty POST needs no type, so that no browser asks
// beforehand whether it may be sent. Programs send neither Origin nor Sec-Fetch-Site. A token, or what IAM signs, is put there on purpose.
func (s *Server) fromHere(c *call) error {
	id := auth.IdentityOf(c.ctx)
	if !id.IsAmbient() && (s.backend.Authenticator != nil || !s.settings.SameSite) {
		return nil
	}
	if err := new(http.CrossOriginProtection).Check(c.r); err != nil {
		s.log.Info("request of a page of another site refused", "request", c.id, "method", c.r.Method, "path", c.r.URL.Path, "origin", c.r.Header.Get("Origin"), "principal", id.Principal)
		return errElsewhere
	}
	return nil
}

// may asks the authorizer; without one everybody may do everything.
func (s *Server) may(ctx context.Context, op auth.Operation, on auth.Resource) bool {
	return s.backend.Authorizer == nil || auth.Ask(ctx, s.backend.Authorizer, op, on)
}

var (
	errNoIdentity = failf(http.StatusUnauthorized, 40101, "authentication is required, or its credentials are wrong")
	errElsewhere  = failf(http.StatusForbidden, 403, "a page of another site may change nothing here with what the browser remembers: send a token, or ask from a program")
	errForbidden  = failf(http.StatusForbidden, 40301, "not allowed")
)
