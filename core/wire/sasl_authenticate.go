package wire

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/firnlog/firnlog/core/auth"
	"github.com/firnlog/firnlog/core/pause"
)

// SaslAuthenticate (key 36), versions 0-2.
//
//	v1  how long the session lasts (KIP-368)
//	v2  flexible
//
// A failure is told after a pause, so that guessing takes time, and closes the connection. Its message is the same whatever was wrong.
// That nobody can say now closes it without an answer: clients have no code for it, and try another connection.
func (s *Server) saslAuthenticate(ctx context.Context, c *caller, req *kmsg.SASLAuthenticateRequest) (kmsg.Response, error) {
	resp := kmsg.NewPtrSASLAuthenticateResponse()
	resp.Version = req.Version
	resp.SASLAuthBytes = []byte{}
	on := c.conn
	if on.sasl.exchange == nil || on.sasl.raw {
		on.sasl = saslState{failed: fmt.Errorf("%w: no handshake before it", errAuthFailed)}
		resp.ErrorCode = kerr.IllegalSaslState.Code
		resp.ErrorMessage = kmsg.StringPtr("SaslAuthenticate without a SaslHandshake before it")
		return resp, nil
	}
	reply, lifetime, err := on.step(ctx, slices.Clone(req.SASLAuthBytes))
	switch {
	case errors.Is(err, errAuthFailed):
		resp.ErrorCode = kerr.SaslAuthenticationFailed.Code
		resp.ErrorMessage = kmsg.StringPtr(on.sasl.failed.Error())
		return resp, nil
	case err != nil:
		return nil, err
	}
	if reply != nil {
		resp.SASLAuthBytes = reply
	}
	resp.SessionLifetimeMillis = lifetime.Milliseconds()
	return resp, nil
}

// step goes one message on. errAuthFailed: the client is to be told, and the connection to be closed.
func (c *conn) step(ctx context.Context, message []byte) (reply []byte, lifetime time.Duration, err error) {
	mechanism := c.sasl.mechanism
	reply, id, err := c.sasl.exchange.Step(ctx, message)
	if err == nil && id != nil {
		id, err = c.succeed(id)
	}
	if errors.Is(err, auth.ErrDenied) || errors.Is(err, auth.ErrMalformed) {
		c.s.authenticated(mechanism, false)
		c.sasl = saslState{failed: fmt.Errorf("%w: invalid credentials with SASL mechanism %s", errAuthFailed, mechanism)}
		if err := pause.For(ctx, c.s.settings.AuthFailedDelay); err != nil {
			return nil, 0, err
		}
		return nil, 0, c.sasl.failed
	}
	if err != nil {
		return nil, 0, fmt.Errorf("authenticate with %s: %w", mechanism, err)
	}
	if id == nil {
		return reply, 0, nil
	}
	c.s.authenticated(mechanism, true)
	c.sasl = saslState{}
	if !id.Expires.IsZero() {
		lifetime = max(id.Expires.Sub(c.s.now()), time.Millisecond)
	}
	return reply, lifetime, nil
}

// succeed takes an identity for the connection's. Nobody becomes somebody else on a connection.
func (c *conn) succeed(id *auth.Identity) (*auth.Identity, error) {
	id.Mechanism = c.sasl.mechanism
	if before := c.session.Load(); before != nil && before.Mechanism != "" && before.Principal != id.Principal {
		return nil, auth.ErrDenied
	}
	id = c.gate.Mechanisms.Session(id)
	if id.Expired(c.s.now()) {
		return nil, auth.ErrDenied
	}
	c.hold(id)
	return id, nil
}

// rawStep is SaslAuthenticate without headers, of clients before Kafka 1.0. There is no way to tell them what failed.
func (c *conn) rawStep(message []byte) error {
	var reply []byte
	err := c.guard(&request{}, func() (err error) {
		reply, _, err = c.step(c.ctx, message)
		return err
	})
	if err != nil {
		return err
	}
	return c.write(net.Buffers{append(binary.BigEndian.AppendUint32(nil, uint32(len(reply))), reply...)})
}
