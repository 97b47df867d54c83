package config

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// TLS of a listener.
const (
	TLSOff = "off"
	TLSOn  = "on"
	// TLSTerminated says that something in front of the listener speaks TLS with clients: passwords are not readable on the way, although
	// the listener itself speaks plain text.
	TLSTerminated = "terminated"
)

// Ways to authenticate, as they are written in settings.
const (
	AuthNone   = "none"
	AuthPlain  = "plain"
	AuthScram  = "scram" // both
	AuthScram2 = "scram-sha-256"
	AuthScram5 = "scram-sha-512"
	AuthOAuth  = "oauth"
	AuthMTLS   = "mtls"
	AuthBasic  = "basic"  // HTTP
	AuthBearer = "bearer" // HTTP
)

// Listener is one address for Kafka clients, with its rules.
type Listener struct {
	Address
	Advertise  *Address // nil: where it listens
	TLS        string
	ClientCert string   // none, request, require
	Auth       []string // AuthPlain …; empty: nobody is asked
	// Cert, Key and ClientCA are files; "" are those of all listeners.
	Cert, Key, ClientCA string
}

// Has says that clients may authenticate like this.
func (l *Listener) Has(way string) bool { return slices.Contains(l.Auth, way) }

const kafkaDefault = "127.0.0.1:9092"

// Listeners are those of --kafka, with --advertise, and of --listen. Without any there is one on loopback.
func (s *Serving) Listeners() ([]Listener, error) {
	plain := s.Kafka
	if len(plain) == 0 && len(s.Listen) == 0 {
		plain = []string{kafkaDefault}
	}
	addresses, err := ParseAddresses(plain)
	advertised, err2 := ParseAddresses(s.Advertise)
	errs := []error{err, err2}
	var out []Listener
	for _, a := range addresses {
		out = append(out, Listener{Address: a, TLS: TLSOff, ClientCert: AuthNone})
	}
	for _, text := range s.Listen {
		l, err := s.parseListener(text)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if l.Name == "" && len(out) > 0 {
			l.Name = strconv.Itoa(l.Port)
		}
		out = append(out, *l)
	}
	for i := range out {
		for _, ad := range advertised {
			if ad.Name == out[i].Name && out[i].Advertise == nil {
				out[i].Advertise = &ad
			}
		}
	}
	seen := map[string]bool{}
	for _, l := range out {
		if seen[l.Name] {
			errs = append(errs, fmt.Errorf("listener %s: there is another one by the name %q; give it a name= of its own", l.Address, l.Name))
		}
		seen[l.Name] = true
	}
	return out, errors.Join(errs...)
}

const listenForm = "write kafka://HOST:PORT?tls=on&auth=scram"

// parseListener reads kafka://HOST:PORT?name=…&tls=on|off|terminated&auth=WAY,…&client-cert=none|request|require&advertise=HOST:PORT.
func (s *Serving) parseListener(text string) (*Listener, error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "kafka" || u.User != nil || strings.Trim(u.Path, "/") != "" {
		return nil, fmt.Errorf("--listen %q: %s", text, listenForm)
	}
	a, err := ParseAddress(u.Host)
	query, err2 := url.ParseQuery(u.RawQuery)
	if err := errors.Join(err, err2); err != nil {
		return nil, fmt.Errorf("--listen %q: %w; %s", text, err, listenForm)
	}
	known := []string{"name", "tls", "auth", "client-cert", "advertise", "cert", "key", "client-ca"}
	for name, values := range query {
		if !slices.Contains(known, name) || len(values) > 1 {
			return nil, fmt.Errorf("--listen %q: parameter %q: known are %s, each once", text, name, strings.Join(known, ", "))
		}
	}
	a.Name = query.Get("name")
	l := &Listener{Address: a, TLS: cmp.Or(query.Get("tls"), TLSOff), Cert: query.Get("cert"), Key: query.Get("key")}
	if l.TLS == "true" || l.Cert != "" && !query.Has("tls") {
		l.TLS = TLSOn
	}
	l.Cert, l.Key, l.ClientCA = cmp.Or(l.Cert, s.TLSCert), cmp.Or(l.Key, s.TLSKey), cmp.Or(query.Get("client-ca"), s.TLSClientCA)
	if ad := query.Get("advertise"); ad != "" {
		to, err := ParseAddress(ad)
		if err != nil || to.Host == "" || to.Port == 0 {
			return nil, fmt.Errorf("--listen %q: advertise: clients need a host and a port", text)
		}
		l.Advertise = &to
	}
	if l.Auth, err = parseAuth(query.Get("auth"), AuthPlain, AuthScram, AuthScram2, AuthScram5, AuthOAuth, AuthMTLS); err != nil {
		return nil, fmt.Errorf("--listen %q: %w", text, err)
	}
	otherwise := AuthNone
	if l.Has(AuthMTLS) {
		otherwise = "request"
		if len(l.Auth) == 1 {
			otherwise = "require"
		}
	}
	l.ClientCert = cmp.Or(query.Get("client-cert"), otherwise)
	return l, nil
}

// parseAuth reads a list of ways; none, or nothing, is an empty one.
func parseAuth(text string, known ...string) (out []string, err error) {
	for way := range strings.SplitSeq(text, ",") {
		switch way = strings.ToLower(strings.TrimSpace(way)); {
		case way == "" || way == AuthNone:
		case way == "oauthbearer" && slices.Contains(known, AuthOAuth):
			out = append(out, AuthOAuth)
		case way == AuthScram && slices.Contains(known, way):
			out = append(out, AuthScram5, AuthScram2)
		case slices.Contains(known, way):
			out = append(out, way)
		default:
			return nil, fmt.Errorf("auth %q is not known: there are %s and none", way, strings.Join(known, ", "))
		}
	}
	if strings.Contains(text, AuthNone) && len(out) > 0 {
		return nil, fmt.Errorf("auth %q: none, or some, but not both", text)
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

// isLoopback says that whoever reaches this address is on this machine.
func (a Address) isLoopback() bool {
	ip := net.ParseIP(a.Host)
	return a.Host == "localhost" || ip != nil && ip.IsLoopback()
}
