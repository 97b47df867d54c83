package wire

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/firnlog/firnlog/core/auth"
)

// SaslHandshake (key 17), versions 0-1.
//
//	v0  the exchange follows in frames without headers
//	v1  it follows in SaslAuthenticate requests
//
// A mechanism that is not offered is answered with those that are, and the connection is closed. On a connection that has authenticated
// it begins another authentication (KIP-368), which must come to the same principal by the same mechanism. Instances
// have a mechanism of their own, which is not shown.
func (s *Server) saslHandshake(_ context.Context, c *caller, req *kmsg.SASLHandshakeRequest) (kmsg.Response, error) {
	resp := kmsg.NewPtrSASLHandshakeResponse()
	resp.Version = req.Version
	on := c.conn
	mechanisms := on.gate.Mechanisms
	if mechanisms != nil {
		resp.SupportedMechanisms = mechanisms.Enabled
	}
	refuse := func(code *kerr.Error, why string) (kmsg.Response, error) {
		resp.ErrorCode = code.Code
		on.sasl = saslState{failed: fmt.Errorf("%w: %s", errAuthFailed, why)}
		return resp, nil
	}
	who := on.session.Load()
	again := who != nil && who.Mechanism != ""
	switch {
	case mechanisms == nil || len(mechanisms.Enabled) == 0 && req.Mechanism != auth.Peer:
		return refuse(kerr.IllegalSaslState, "there is no SASL on this listener")
	case on.sasl.exchange != nil, req.Version == 0 && who != nil:
		return refuse(kerr.IllegalSaslState, "a handshake where none is due")
	case again && who.Mechanism != req.Mechanism:
		return refuse(kerr.UnsupportedSaslMechanism, "another mechanism than before")
	}
	exchange, err := mechanisms.Begin(req.Mechanism, on.secure)
	if err != nil {
		s.authenticated("other", false)
		return refuse(kerr.UnsupportedSaslMechanism, "a mechanism that is not offered")
	}
	on.sasl = saslState{exchange: exchange, mechanism: req.Mechanism, raw: req.Version == 0}
	return resp, nil
}

// saslState is an authentication on its way. Before the first has succeeded it belongs to the goroutine that admits the client, then to the writer.
type saslState struct {
	exchange  auth.Exchange // nil: none
	mechanism string
	raw       bool  // frames are messages of the mechanism
	failed    error // the connection is closed once the answer is written
}
