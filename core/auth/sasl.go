package auth

import (
	"context"
	"crypto/tls"
	"fmt"
	"slices"
	"time"
)

// Exchange is one authentication on its way. It is used by one goroutine, once.
type Exchange interface {
	// Step takes a message of the client. id is set when it is over and has succeeded; then, as before, reply is what to send. An error
	// ends it: ErrDenied, ErrMalformed or ErrNotNow.
	Step(ctx context.Context, message []byte) (reply []byte, id *Identity, err error)
}

// Mechanisms are what clients of one listener may authenticate with.
type Mechanisms struct {
	Enabled []string // SASL's names, in the order of preference
	Users   *Users
	Tokens  *Tokens // for OAUTHBEARER; nil: not enabled
	Peers   *Peers  // nil: instances cannot authenticate here
	// Reauthenticate is how long a session may last before the client must authenticate again; 0: as long as its token.
	Reauthenticate time.Duration
	Now            func() time.Time
}

// Begin starts an exchange. ErrMechanism: it is not one of Enabled.
func (m *Mechanisms) Begin(mechanism string, connection *tls.ConnectionState) (Exchange, error) {
	if mechanism == Peer && m.Peers != nil && m.Peers.Knows != nil {
		return m.Peers.begin(connection), nil
	}
	if !slices.Contains(m.Enabled, mechanism) {
		return nil, fmt.Errorf("%w: %q", ErrMechanism, clip(mechanism))
	}
	switch mechanism {
	case Plain:
		return &plainExchange{users: m.Users}, nil
	case ScramSHA256, ScramSHA512:
		return m.Users.beginScram(mechanism), nil
	case OAuthBearer:
		return &bearerExchange{tokens: m.Tokens}, nil
	}
	return nil, fmt.Errorf("%w: %q", ErrMechanism, clip(mechanism))
}

// Session gives the identity its end: that of its token, or what is left until it must be proven again.
func (m *Mechanisms) Session(id *Identity) *Identity {
	if m.Reauthenticate <= 0 || id.Principal.Kind == KindInstance {
		return id
	}
	out := *id
	if end := m.Now().Add(m.Reauthenticate); out.Expires.IsZero() || end.Before(out.Expires) {
		out.Expires = end
	}
	return &out
}

// clip bounds what of a client's text goes into a message.
func clip(s string) string { return s[:min(len(s), 32)] }
