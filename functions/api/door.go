package api

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/firnlog/firnlog/core/auth"
	"github.com/firnlog/firnlog/core/invoke"
)

const (
	// accessAge is how long an environment goes by the users and ACLs that it has read, and quotasAge by quotas.
	accessAge = 5 * time.Second
	quotasAge = 30 * time.Second
	// deniedDelay is that of brokers: who tries passwords gets ten answers a second of an environment.
	deniedDelay = 100 * time.Millisecond
)

// door asks who sends a request before an invocation begins for it, so that nobody reads the log for strangers. Users are read when somebody
// brings a password and the last view is too old: a start, and who authenticates otherwise, pays nothing for them.
//
// It is the Authenticator of core/rest too, which gives the answer to who is not known.
type door struct {
	users *auth.Users // nil: no Basic
	http  auth.HTTP
}

func newDoor(e *invoke.Environment) *door {
	d := &door{http: auth.HTTP{Tokens: e.Tokens, Platform: true, Delay: deniedDelay}}
	if e.Basic {
		d.users, d.http.Users = e.Users, e.Users
	}
	return d
}

type saidKey struct{}

// said is what came out.
type said struct {
	id  *auth.Identity
	err error
}

// open finds out who sent a request, and notes it there.
func (d *door) open(r *http.Request) (*http.Request, bool) {
	id, err := d.ask(r)
	return r.WithContext(context.WithValue(r.Context(), saidKey{}, said{id, err})), err == nil
}

func (d *door) ask(r *http.Request) (*auth.Identity, error) {
	if _, _, is := r.BasicAuth(); is && d.users != nil {
		if err := d.users.Refresh(r.Context(), accessAge); err != nil {
			return nil, fmt.Errorf("%w: %w", auth.ErrNotNow, err)
		}
	}
	return d.http.Authenticate(r)
}

// Authenticate implements rest.Authenticator.
func (d *door) Authenticate(r *http.Request) (*auth.Identity, error) {
	if out, is := r.Context().Value(saidKey{}).(said); is {
		return out.id, out.err
	}
	return nil, auth.ErrDenied
}

// Challenge implements rest.Authenticator.
func (d *door) Challenge() []string { return d.http.Challenge() }
