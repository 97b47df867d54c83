package wire

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/firnlog/firnlog/core/auth"
	"github.com/firnlog/firnlog/core/quota"
)

// Gate is who may come in by a listener, and how. A listener without one is open to everybody, without TLS.
type Gate struct {
	TLS *tls.Config // nil: plain text
	// Closed: nothing but ApiVersions and SASL is answered before a client has authenticated.
	Closed bool
	// Mechanisms of SASL; none are enabled on an open listener, but instances may say who they are.
	Mechanisms *auth.Mechanisms
	// Certificates: a verified certificate of the client is enough; Names says who it is.
	Certificates bool
	Names        auth.NameRules
}

// Guards is who decides, beside the gates.
type Guards struct {
	Gates      map[string]Gate // by listener
	Authorizer auth.Authorizer // nil: everybody may do everything
	Users      Credentials     // nil: there are none to look at or change
	ACLs       ACLs            // nil: there are none
	Quotas     *quota.Quotas   // nil: nobody is limited
	// Authenticated is told of each authentication that has ended; nil: nobody is. Mechanism is one of those offered, or "other".
	Authenticated func(mechanism string, succeeded bool)
}

// Errors of clients that are not let in. All close the connection.
var (
	errNotAuthenticated = errors.New("not authenticated: only ApiVersions, SaslHandshake and SaslAuthenticate are answered before")
	errAuthFailed       = errors.New("authentication failed")
	errAuthExpired      = errors.New("the session has ended: its time is over, or its credential was removed")
	errForInstances     = errors.New("instances ask for groups only")
	errTooManyUnknown   = errors.New("too many connections that have not authenticated")
	errCrowd            = errors.New("too many connections of this address that have not authenticated")
)

// Bounds of a connection before it has authenticated.
const (
	preAuthFrameMax    = 64 << 10 // a token is the largest thing there is
	preAuthRequestsMax = 20
)

// admitted is who is at the other end. It is replaced when the client authenticates again.
type admitted struct {
	*auth.Identity
	ctx context.Context // of the connection, with the identity
}

func (c *conn) hold(id *auth.Identity) {
	known := *id
	known.Host = c.host()
	c.session.Store(&admitted{Identity: &known, ctx: auth.WithIdentity(c.ctx, &known)})
}

func (c *conn) host() string {
	host, _, err := net.SplitHostPort(c.nc.RemoteAddr().String())
	if err != nil {
		return c.nc.RemoteAddr().String()
	}
	return host
}

// isGuarded says that a client of this connection has to do something before it is served.
func (c *conn) isGuarded() bool { return c.gate.TLS != nil || c.gate.Closed }

// admit lets a client in: TLS, then authentication. All of it has one time limit, and only so many connections may be at it.
func (c *conn) admit() error {
	if err := c.connects(c.ctx); err != nil {
		return err
	}
	if !c.isGuarded() {
		c.hold(&auth.Identity{Principal: auth.Anonymous()})
		return nil
	}
	if !c.s.strangers.TryAcquire(1) {
		return errTooManyUnknown
	}
	defer c.s.strangers.Release(1)
	if !c.s.stranger(c.host()) {
		return errCrowd
	}
	defer c.s.known(c.host())
	limit := time.AfterFunc(c.s.settings.AuthTimeout, c.cancel)
	defer limit.Stop()
	if secure, ok := c.nc.(*tls.Conn); ok {
		if err := c.shakeHands(secure); err != nil {
			return err
		}
	}
	switch {
	case c.session.Load() != nil:
		return nil
	case !c.gate.Closed:
		c.hold(&auth.Identity{Principal: auth.Anonymous()})
		return nil
	}
	return c.authenticate()
}

// shakeHands makes TLS, and takes the client's certificate for its identity where that is enough.
func (c *conn) shakeHands(secure *tls.Conn) error {
	if err := secure.HandshakeContext(c.ctx); err != nil {
		return fmt.Errorf("TLS: %w", err)
	}
	state := secure.ConnectionState()
	c.secure = &state
	if !c.gate.Certificates || len(state.VerifiedChains) == 0 {
		return nil
	}
	id, err := c.gate.Names.OfCertificate(state.PeerCertificates[0])
	c.s.authenticated(auth.Certificate, err == nil)
	if err != nil {
		return fmt.Errorf("%w: %w", errAuthFailed, err)
	}
	c.hold(id)
	return nil
}

// authenticate answers requests one after the other until the client has said who it is.
func (c *conn) authenticate() error {
	for range preAuthRequestsMax {
		frame, err := c.readPreAuth()
		if err != nil {
			return err
		}
		if c.sasl.raw {
			err = c.rawStep(frame)
		} else {
			err = c.preAuthRequest(frame)
		}
		if err != nil {
			return err
		}
		if c.session.Load() != nil {
			return nil
		}
	}
	return fmt.Errorf("%w: no success in %d requests", errAuthFailed, preAuthRequestsMax)
}

// readPreAuth reads a frame of bounded size; its memory grows with what has come, not with what was announced.
func (c *conn) readPreAuth() ([]byte, error) {
	least := frameBytesMin
	if c.sasl.raw {
		least = 0
	}
	size, err := c.readSizeWithin(least, preAuthFrameMax)
	if err != nil {
		return nil, err
	}
	frame := make([]byte, 0, min(size, smallFrame/4))
	for len(frame) < size {
		n := min(size-len(frame), max(len(frame), smallFrame/4))
		frame = append(frame, make([]byte, n)...)
		if err := c.readFull(frame[len(frame)-n:]); err != nil {
			return nil, err
		}
	}
	return frame, nil
}

func (c *conn) preAuthRequest(frame []byte) error {
	r := &request{caller: caller{conn: c, frame: len(frame)}, done: make(chan struct{}), refund: func() {}, arrived: time.Now()}
	defer r.drop()
	if err := r.parseHeader(frame, c.s.apis); err != nil {
		return err
	}
	if !isPreAuth(r.api.key) {
		return fmt.Errorf("%w: %s", errNotAuthenticated, r.api.name())
	}
	return c.answer(r)
}

func isPreAuth(key kmsg.Key) bool {
	return key == kmsg.ApiVersions || key == kmsg.SASLHandshake || key == kmsg.SASLAuthenticate
}

// mayRequest is asked for each request before anything of it is done: does the session still hold, and may it ask this at all?
func (c *conn) mayRequest(r *request) error {
	who := c.session.Load()
	if isPreAuth(r.api.key) {
		return nil
	}
	if who == nil {
		return errNotAuthenticated
	}
	if m := c.gate.Mechanisms; who.Expired(c.s.now()) || m != nil && m.Users != nil && !m.Users.Holds(who.Identity) {
		return errAuthExpired
	}
	if who.Principal.Kind == auth.KindInstance && r.api.key != kmsg.ConsumerGroupHeartbeat && r.api.key != kmsg.OffsetCommit {
		return fmt.Errorf("%w: %s", errForInstances, r.api.name())
	}
	if r.api.needs == nil || !auth.Ask(who.ctx, c.s.guards.Authorizer, auth.OperationDispatch, auth.Resource{Type: auth.ResourceRequest, Name: r.api.name()}) {
		return fmt.Errorf("%w: %s is closed to %s", errNotAuthenticated, r.api.name(), who.Principal)
	}
	return nil
}

// may asks the authorizer.
func (s *Server) may(ctx context.Context, op auth.Operation, on auth.Resource) bool {
	return auth.Ask(ctx, s.guards.Authorizer, op, on)
}

// maySome asks it for any resource of a type.
func (s *Server) maySome(ctx context.Context, op auth.Operation, on auth.ResourceType) bool {
	return auth.AskSome(ctx, s.guards.Authorizer, op, on)
}

func (s *Server) authenticated(mechanism string, succeeded bool) {
	if s.guards.Authenticated != nil {
		s.guards.Authenticated(mechanism, succeeded)
	}
}
