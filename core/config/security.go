package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Security are the settings of who may come in. docs/SECURITY.md says how they go together.
type Security struct {
	Listen      []string `name:"listen" env:"FIRNLOG_LISTEN" sep:" " placeholder:"URL" help:"A listener with rules, instead of or beside --kafka; may be repeated: kafka://HOST:PORT?tls=on|off|terminated&auth=scram,plain,oauth,mtls&advertise=HOST:PORT. More: name=, client-cert=none|request|require, cert=, key=, client-ca= (files)."`
	TLSCert     string   `name:"tls-cert" env:"FIRNLOG_TLS_CERT" placeholder:"FILE" help:"Certificate chain (PEM) of listeners with TLS. Files are read anew when they change."`
	TLSKey      string   `name:"tls-key" env:"FIRNLOG_TLS_KEY" placeholder:"FILE" help:"Private key (PEM) of --tls-cert."`
	TLSClientCA string   `name:"tls-client-ca" env:"FIRNLOG_TLS_CLIENT_CA" placeholder:"FILE" help:"Authorities (PEM) that sign certificates of clients."`
	HTTPTLS     string   `name:"http-tls" env:"FIRNLOG_HTTP_TLS" default:"off" enum:"off,on,terminated," help:"TLS of --http: off, on, or terminated by something in front of it."`
	HTTPAuth    string   `name:"http-auth" env:"FIRNLOG_HTTP_AUTH" default:"none" placeholder:"WAY,..." help:"How clients of --http authenticate: none, or some of basic, bearer, mtls. /healthz, /readyz and /metrics stay open."`

	PrincipalRules string `name:"principal-rules" env:"FIRNLOG_PRINCIPAL_RULES" default:"DEFAULT" help:"User names from certificates' subjects, like Kafka's ssl.principal.mapping.rules: RULE:pattern/replacement/[LU],…,DEFAULT."`
	OAuth
	ReauthMax  time.Duration `name:"reauth-max" env:"FIRNLOG_REAUTH_MAX" default:"0s" help:"Kafka clients must authenticate again after this time (KIP-368). 0: only when their token ends."`
	SuperUsers string        `name:"superusers" env:"FIRNLOG_SUPERUSERS" placeholder:"User:NAME;..." help:"Principals that may do everything, whatever ACLs say, also change users; separated by semicolons."`
	ACLs       string        `name:"acls" env:"FIRNLOG_ACLS" default:"auto" enum:"auto,on,off," help:"Whether ACLs say who may what: on, off (whoever comes in may do everything but change users), or auto: on where a listener or --http asks who is there."`
	AllowNoACL bool          `name:"allow-everyone-if-no-acl" env:"FIRNLOG_ALLOW_EVERYONE_IF_NO_ACL" help:"What no ACL is about may be done by everybody who comes in, like Kafka's allow.everyone.if.no.acl.found. Without it, only by super users."`

	InsecureAllowAnyone bool `name:"insecure-allow-anyone" env:"FIRNLOG_INSECURE_ALLOW_ANYONE" help:"Let anybody who reaches a listener that is not on loopback read and write everything, without authentication, or send passwords readable. Without this flag such a listener is refused."`
}

// HTTPWays are the ways to authenticate over HTTP.
func (s *Security) HTTPWays() ([]string, error) {
	ways, err := parseAuth(s.HTTPAuth, AuthBasic, AuthBearer, AuthMTLS)
	if err != nil {
		return nil, fmt.Errorf("--http-auth: %w", err)
	}
	return ways, nil
}

// HasACLs says whether ACLs are asked. guarded: clients are asked who they are.
func (s *Security) HasACLs(guarded bool) bool {
	return s.ACLs == ACLsOn || s.ACLs != ACLsOff && guarded
}

// Values of ACLs, beside auto.
const (
	ACLsOn  = "on"
	ACLsOff = "off"
)

// SuperUserList are the principals of SuperUsers, as they are written.
func (s *Security) SuperUserList() (out []string) {
	for one := range strings.SplitSeq(s.SuperUsers, ";") {
		if one = strings.TrimSpace(one); one != "" {
			out = append(out, one)
		}
	}
	return out
}

// validateSecurity reports all that is wrong at once.
func (s *Serving) validateSecurity() error {
	listeners, err := s.Listeners()
	ways, err2 := s.HTTPWays()
	errs := []error{err, err2}
	needsKeys := slices.Contains(ways, AuthBearer)
	for i := range listeners {
		errs = append(errs, s.validateListener(&listeners[i]))
		needsKeys = needsKeys || listeners[i].Has(AuthOAuth)
	}
	errs = append(errs, s.validateHTTP(ways))
	if needsKeys {
		errs = append(errs, s.validate(s.InsecureAllowAnyone))
	}
	for _, p := range s.SuperUserList() {
		if name, ok := strings.CutPrefix(p, "User:"); !ok || name == "" {
			errs = append(errs, fmt.Errorf("--superusers %q: want User:NAME", p))
		}
	}
	return errors.Join(errs...)
}

func (s *Serving) validateListener(l *Listener) error {
	var errs []error
	fail := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("listener %s: "+format, append([]any{l.Address}, args...)...))
	}
	if !slices.Contains([]string{TLSOff, TLSOn, TLSTerminated}, l.TLS) {
		fail("tls=%s: want on, off or terminated", l.TLS)
	}
	if l.TLS == TLSOn && (l.Cert == "" || l.Key == "") {
		fail("tls=on needs --tls-cert and --tls-key, or cert= and key=")
	}
	if !slices.Contains([]string{AuthNone, "request", "require"}, l.ClientCert) {
		fail("client-cert=%s: want none, request or require", l.ClientCert)
	}
	if l.ClientCert != AuthNone && (l.TLS != TLSOn || l.ClientCA == "") {
		fail("certificates of clients need tls=on and --tls-client-ca, or client-ca=")
	}
	if l.Has(AuthMTLS) && l.ClientCert == AuthNone {
		fail("auth=mtls needs client-cert=request or require")
	}
	if s.InsecureAllowAnyone || l.isLoopback() {
		return errors.Join(errs...)
	}
	if len(l.Auth) == 0 {
		fail("anybody who reaches it could read and write everything: listen on 127.0.0.1, or use --listen with auth=, or say --insecure-allow-anyone")
	}
	if l.TLS == TLSOff && (l.Has(AuthPlain) || l.Has(AuthOAuth)) {
		fail("passwords and tokens would be readable on the way: add tls=on (or tls=terminated if something in front of it does TLS), or offer scram alone")
	}
	return errors.Join(errs...)
}

func (s *Serving) validateHTTP(ways []string) error {
	a, err := ParseAddress(s.HTTP)
	if err != nil {
		return nil // said elsewhere
	}
	var errs []error
	if s.HTTPTLS == TLSOn && (s.TLSCert == "" || s.TLSKey == "") {
		errs = append(errs, errors.New("--http-tls on needs --tls-cert and --tls-key"))
	}
	if slices.Contains(ways, AuthMTLS) && (s.HTTPTLS != TLSOn || s.TLSClientCA == "") {
		errs = append(errs, errors.New("--http-auth mtls needs --http-tls on and --tls-client-ca"))
	}
	if !a.isLoopback() && !s.InsecureAllowAnyone {
		switch {
		case len(ways) == 0:
			errs = append(errs, fmt.Errorf("--http %s: anybody who reaches it could read and write everything: listen on 127.0.0.1, or give --http-auth, or say --insecure-allow-anyone", s.HTTP))
		case s.HTTPTLS != TLSOn && s.HTTPTLS != TLSTerminated:
			errs = append(errs, fmt.Errorf("--http %s: passwords and tokens would be readable on the way: add --http-tls on, or terminated if something in front of it does TLS", s.HTTP))
		}
	}
	return errors.Join(errs...)
}
