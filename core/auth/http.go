package auth

import (
	"errors"
	"net"
	"net/http"
	"strings"
	"time"
)

// HTTP authenticates requests: by a client certificate, by what the platform has verified already (an identity in the request's
// context), by Basic with the users of SASL, or by a bearer token.
type HTTP struct {
	Users  *Users  // nil: no Basic
	Tokens *Tokens // nil: no bearer tokens
	Names  NameRules
	// Certificates says that a verified client certificate is enough.
	Certificates bool
	// Platform says that an identity that the platform verified is enough, e.g. IAM's for a function.
	Platform bool
	// Now tells when a certificate has ended: a connection may outlive it.
	Now func() time.Time
	// Authenticated is told of each password and token that was looked at, with a scheme for a mechanism; nil: nobody is.
	Authenticated func(mechanism string, succeeded bool)
	// Delay is waited before a refusal is told, as Kafka does.
	Delay time.Duration
}

// Authenticate says who sent a request: ErrDenied, ErrNotNow.
func (h *HTTP) Authenticate(r *http.Request) (*Identity, error) {
	id, err := h.identify(r)
	if err != nil {
		return nil, err
	}
	out := *id
	if out.Host == "" {
		out.Host = hostOf(r.RemoteAddr)
	}
	return &out, nil
}

func (h *HTTP) identify(r *http.Request) (*Identity, error) {
	if given := r.Header.Get("Authorization"); given != "" {
		scheme, rest, _ := strings.Cut(given, " ")
		switch {
		case strings.EqualFold(scheme, "Basic") && h.Users != nil:
			name, password, ok := r.BasicAuth()
			if !ok {
				return nil, h.outcome(r, "BASIC", ErrDenied)
			}
			id, err := h.Users.VerifyPassword(r.Context(), name, password)
			return id, h.outcome(r, "BASIC", err)
		case strings.EqualFold(scheme, "Bearer") && h.Tokens != nil:
			id, err := h.Tokens.Verify(r.Context(), strings.TrimSpace(rest))
			return id, h.outcome(r, "BEARER", err)
		case !h.Platform: // which reads the header itself
			return nil, h.outcome(r, "other", ErrDenied)
		}
	}
	if h.Platform {
		if id := IdentityOf(r.Context()); id.Mechanism != "" {
			return id, nil
		}
	}
	if h.Certificates && r.TLS != nil && len(r.TLS.VerifiedChains) > 0 {
		id, err := h.Names.OfCertificate(r.TLS.PeerCertificates[0])
		if err == nil && id.Expired(h.Now()) {
			return nil, ErrDenied
		}
		return id, err
	}
	return nil, ErrDenied // nothing was tried, so nothing is delayed
}

// outcome tells of what came out, and waits before a refusal.
func (h *HTTP) outcome(r *http.Request, scheme string, err error) error {
	denied := errors.Is(err, ErrDenied)
	if h.Authenticated != nil && (denied || err == nil) {
		h.Authenticated(scheme, !denied)
	}
	if !denied {
		return err
	}
	wait := time.NewTimer(h.Delay)
	defer wait.Stop()
	select {
	case <-wait.C:
	case <-r.Context().Done():
	}
	return err
}

// IsAmbient says that a browser sends by itself what an identity was proven with, whichever site a request is made by: a password that it
// remembers, or a certificate.
func (i *Identity) IsAmbient() bool { return i.Mechanism == Plain || i.Mechanism == Certificate }

// Challenge is the value of WWW-Authenticate, one for each scheme.
func (h *HTTP) Challenge() (out []string) {
	if h.Users != nil {
		out = append(out, `Basic realm="firnlog", charset="UTF-8"`)
	}
	if h.Tokens != nil {
		out = append(out, `Bearer realm="firnlog"`)
	}
	return out
}

func hostOf(address string) string {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return address
	}
	return host
}
