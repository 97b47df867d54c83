package broker

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"slices"
	"time"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/acl"
	"github.com/firnlog/firnlog/core/auth"
	"github.com/firnlog/firnlog/core/config"
	"github.com/firnlog/firnlog/core/instance"
	"github.com/firnlog/firnlog/core/quota"
	"github.com/firnlog/firnlog/core/rest"
	"github.com/firnlog/firnlog/core/wire"
)

// security is who may come in, and what proves it.
type security struct {
	users  *auth.Users
	acls   *acl.ACLs // nil: whoever comes in may do everything
	quotas *quota.Quotas
	tokens *auth.Tokens // nil: none are taken
	peers  *auth.Peers
	names  auth.NameRules
	// own is the certificate to show to other instances; nil: none.
	own  func() *tls.Certificate
	http *tls.Config // nil: plain text
	ways []string    // to authenticate over HTTP
	// certificates of listeners, by name; that of HTTP is "http".
	certificates map[string]*auth.Certificates
}

const authFailedDelay = 100 * time.Millisecond

// secure reads certificates and rules; it opens no listener and asks nobody.
func (b *Broker) secure() error {
	b.security.peers = auth.NewPeers()
	b.security.certificates = map[string]*auth.Certificates{}
	b.security.peers.Knows = func(key []byte) bool { return b.instances.KnowsKey(key) }
	var err error
	if b.security.names, err = auth.ParseNameRules(b.PrincipalRules); err != nil {
		return err
	}
	if b.security.ways, err = b.HTTPWays(); err != nil {
		return err
	}
	if b.OAuthJWKS != "" {
		log := b.Log.With("part", "auth")
		b.security.tokens = auth.NewTokens(auth.TokenSettings{
			Issuer: b.OAuthIssuer, Audience: b.OAuthAudience, Principal: b.OAuthPrincipal, Leeway: b.OAuthLeeway,
			Keys: auth.DefaultKeySet(b.OAuthJWKS, time.Now, log), Now: time.Now,
		})
	}
	if b.HTTPTLS == config.TLSOn {
		clients := auth.CertificatesIgnored
		if slices.Contains(b.security.ways, config.AuthMTLS) {
			clients = auth.CertificatesRequested // not required: who asks for health and metrics has none
		}
		files := auth.CertificateFiles{Certificate: b.TLSCert, Key: b.TLSKey, ClientCA: b.TLSClientCA}
		certificates, err := auth.NewCertificates(files, clients, []string{"h2", "http/1.1"}, time.Now, b.Log.With("part", "auth"))
		if err != nil {
			return fmt.Errorf("--http-tls: %w", err)
		}
		b.security.http, b.security.certificates["http"] = certificates.Config(), certificates
	}
	return nil
}

// watchers makes what follows users, ACLs and quotas; it needs the key-value store.
func (b *Broker) watchers(keys coordination.Keys) {
	b.security.users = auth.NewUsers(auth.UsersSettings{KV: b.KV, Keys: keys, Now: time.Now, Random: rand.Reader, Log: b.Log.With("part", "auth")})
	b.security.quotas = quota.New(quota.Settings{KV: b.KV, Keys: keys, Now: time.Now, Log: b.Log.With("part", "quota")})
	if b.HasACLs(b.isGuarded()) {
		b.security.acls = acl.New(acl.Settings{
			KV: b.KV, Keys: keys, Now: time.Now, Log: b.Log.With("part", "acl"), SuperUsers: b.superUsers(), AllowEveryone: b.AllowNoACL,
		})
	}
}

// followACLs keeps ACLs up to date, where there are any.
func (b *Broker) followACLs(ctx context.Context) error {
	if b.security.acls == nil {
		return nil
	}
	return b.security.acls.Run(ctx)
}

// isGuarded says that clients are asked who they are, at one place at least.
func (b *Broker) isGuarded() bool {
	guarded := len(b.security.ways) > 0
	for _, l := range b.listeners {
		guarded = guarded || len(l.rules.Auth) > 0
	}
	return guarded
}

// gate is how clients come in by a listener.
func (b *Broker) gate(l *config.Listener) (wire.Gate, error) {
	g := wire.Gate{Closed: len(l.Auth) > 0, Certificates: l.Has(config.AuthMTLS), Names: b.security.names}
	g.Mechanisms = &auth.Mechanisms{Users: b.security.users, Tokens: b.security.tokens, Peers: b.security.peers, Reauthenticate: b.ReauthMax, Now: time.Now}
	for _, way := range []struct{ name, mechanism string }{
		{config.AuthScram5, auth.ScramSHA512}, {config.AuthScram2, auth.ScramSHA256}, {config.AuthOAuth, auth.OAuthBearer}, {config.AuthPlain, auth.Plain},
	} {
		if l.Has(way.name) {
			g.Mechanisms.Enabled = append(g.Mechanisms.Enabled, way.mechanism)
		}
	}
	if l.TLS != config.TLSOn {
		return g, nil
	}
	clients := map[string]auth.ClientCertificates{"request": auth.CertificatesRequested, "require": auth.CertificatesRequired}[l.ClientCert]
	files := auth.CertificateFiles{Certificate: l.Cert, Key: l.Key, ClientCA: l.ClientCA}
	certificates, err := auth.NewCertificates(files, clients, nil, time.Now, b.Log.With("part", "auth", "listener", l.Name))
	if err != nil {
		return g, fmt.Errorf("listener %s: %w", l.Address, err)
	}
	g.TLS, b.security.certificates["kafka"+l.Name] = certificates.Config(), certificates
	if b.security.own == nil {
		b.security.own = certificates.Own
	}
	return g, nil
}

// guards are the gates of all listeners, and who decides beside them.
func (b *Broker) guards() (wire.Guards, error) {
	out := wire.Guards{Gates: map[string]wire.Gate{}, Authorizer: b.authorizer("kafka"), Users: b.security.users, Quotas: b.security.quotas, Authenticated: b.clients.Authenticated}
	if b.security.acls != nil {
		out.ACLs = b.security.acls
	}
	var errs []error
	for i := range b.listeners {
		g, err := b.gate(&b.listeners[i].rules)
		out.Gates[b.listeners[i].rules.Name] = g
		errs = append(errs, err)
	}
	return out, errors.Join(errs...)
}

// authorizer asks ACLs; where there are none it lets everybody do everything but touch users. What is refused at a front end is counted and
// logged.
func (b *Broker) authorizer(frontEnd string) auth.Authorizer {
	a := &acl.Audit{FrontEnd: frontEnd, Denied: b.clients.Denied, Log: b.Log.With("part", "acl")}
	a.Authorizer = auth.Open{Unguarded: !b.isGuarded(), SuperUsers: b.superUsers()}
	if b.security.acls != nil {
		a.Authorizer = b.security.acls
	}
	return a
}

func (b *Broker) superUsers() (out []auth.Principal) {
	for _, p := range b.SuperUserList() {
		if principal, err := auth.ParsePrincipal(p); err == nil {
			out = append(out, principal)
		}
	}
	return out
}

// restAuthenticator asks clients of HTTP who they are; nil: nobody is asked.
func (b *Broker) restAuthenticator() rest.Authenticator {
	if len(b.security.ways) == 0 {
		return nil
	}
	h := &auth.HTTP{Names: b.security.names, Certificates: slices.Contains(b.security.ways, config.AuthMTLS), Now: time.Now,
		Delay: authFailedDelay, Authenticated: b.clients.Authenticated}
	if slices.Contains(b.security.ways, config.AuthBasic) {
		h.Users = b.security.users
	}
	if slices.Contains(b.security.ways, config.AuthBearer) {
		h.Tokens = b.security.tokens
	}
	return h
}

// serveWeb serves HTTP, with TLS if it is on.
func (b *Broker) serveWeb() error {
	if b.security.http == nil {
		return b.web.Serve(b.http)
	}
	b.web.TLSConfig = b.security.http
	return b.web.ServeTLS(b.http, "", "")
}

// httpURL is how clients reach the HTTP address.
func (b *Broker) httpURL() string {
	scheme := "http://"
	if b.security.http != nil {
		scheme = "https://"
	}
	return scheme + b.http.Addr().String()
}

// usersKnown waits until users can log in, and what they may do is known.
func (b *Broker) usersKnown(ctx context.Context) {
	known := []<-chan struct{}{b.security.users.Loaded()}
	if b.security.acls != nil {
		known = append(known, b.security.acls.Loaded())
	}
	for _, loaded := range known {
		select {
		case <-loaded:
		case <-ctx.Done():
		}
	}
}

// listen opens all listeners.
func (b *Broker) listen() ([]instance.Endpoint, error) {
	rules, err := b.Listeners()
	if err != nil {
		return nil, err
	}
	var endpoints []instance.Endpoint
	for _, l := range rules {
		ln, err := net.Listen("tcp", l.String())
		if err != nil {
			return nil, fmt.Errorf("listen for Kafka clients: %w (choose another address with --kafka or --listen)", err)
		}
		b.listeners = append(b.listeners, listener{ln, l})
		endpoints = append(endpoints, endpointOf(&l, ln))
	}
	b.http, err = net.Listen("tcp", b.HTTP)
	if err != nil {
		return nil, fmt.Errorf("listen for HTTP: %w (choose another address with --http)", err)
	}
	return endpoints, nil
}

// endpointOf is what clients of a listener are told: what is advertised, else where it listens.
func endpointOf(l *config.Listener, ln net.Listener) instance.Endpoint {
	e := instance.Endpoint{Listener: l.Name, Host: l.Host, Port: int32(l.Port), TLS: l.TLS == config.TLSOn}
	if tcp, ok := ln.Addr().(*net.TCPAddr); ok {
		e.Port = int32(tcp.Port)
	}
	if l.Advertise != nil {
		e.Host, e.Port = l.Advertise.Host, int32(l.Advertise.Port)
	}
	if ip := net.ParseIP(e.Host); e.Host == "" || ip != nil && ip.IsUnspecified() {
		e.Host = hostName()
	}
	return e
}
