package relay

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/firnlog/firnlog/core/auth"
	"github.com/firnlog/firnlog/core/instance"
)

// secureTime bounds the handshakes of a new connection.
const secureTime = 5 * time.Second

// secure makes TLS where the listener has it, and proves to each other who both are where the instance has a key.
func (r *Relay) secure(ctx context.Context, nc net.Conn, at instance.Info, e instance.Endpoint) (*peer, error) {
	ctx, cancel := context.WithTimeout(ctx, secureTime)
	defer cancel()
	p := &peer{nc: nc}
	var state *tls.ConnectionState
	if e.TLS {
		config := r.settings.TLS
		if config == nil {
			config = InstanceTLS(nil)
		}
		secured := tls.Client(nc, config)
		if err := secured.HandshakeContext(ctx); err != nil {
			return nil, fmt.Errorf("TLS: %w", err)
		}
		s := secured.ConnectionState()
		p.nc, state = secured, &s
	}
	if len(at.Key) == 0 || r.settings.Peers == nil {
		if e.TLS {
			return nil, errors.New("the instance has no key, so its certificate proves nothing")
		}
		return p, nil
	}
	handshake := kmsg.NewPtrSASLHandshakeRequest()
	handshake.Version, handshake.Mechanism = 1, auth.Peer
	shaken := kmsg.NewPtrSASLHandshakeResponse()
	if err := p.ask(ctx, "", handshake, shaken); err != nil {
		return nil, err
	}
	if err := kerr.ErrorForCode(shaken.ErrorCode); err != nil {
		return nil, fmt.Errorf("authenticate to an instance: %w", err)
	}
	err := r.settings.Peers.Call(ctx, at.Key, state, func(message []byte) ([]byte, error) {
		req := kmsg.NewPtrSASLAuthenticateRequest()
		req.Version, req.SASLAuthBytes = 2, message
		resp := kmsg.NewPtrSASLAuthenticateResponse()
		if err := p.ask(ctx, "", req, resp); err != nil {
			return nil, err
		}
		return resp.SASLAuthBytes, kerr.ErrorForCode(resp.ErrorCode)
	})
	if err != nil {
		return nil, err
	}
	return p, nil
}

// InstanceTLS is for connections to other instances; own is the certificate to show where one is asked for, nil: none.
//
// The other one's certificate is not checked, since names and authorities are made for clients. Who it is is proven by its
// registered key, over a value that only this very connection has, which needs TLS 1.3.
func InstanceTLS(own func() *tls.Certificate) *tls.Config {
	config := &tls.Config{MinVersion: tls.VersionTLS13, InsecureSkipVerify: true} //nolint:gosec // see above
	if own != nil {
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return own(), nil }
	}
	return config
}
