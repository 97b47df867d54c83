package auth

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// A connection is verified once, and may live longer than the certificate that was shown on it.
func TestHTTP_ACertificateThatEndsMeanwhileIsDenied(t *testing.T) {
	subject, err := asn1.Marshal(pkix.Name{CommonName: "dora"}.ToRDNSequence())
	if err != nil {
		t.Fatal(err)
	}
	end := time.Unix(1_800_000_000, 0)
	shown := &x509.Certificate{RawSubject: subject, NotAfter: end}
	r := httptest.NewRequest("GET", "/topics", nil)
	r.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{shown}, VerifiedChains: [][]*x509.Certificate{{shown}}}
	now := end.Add(-time.Second)
	h := &HTTP{Certificates: true, Names: NameRules{{}}, Now: func() time.Time { return now }}
	if id, err := h.Authenticate(r); err != nil || id.Principal != User("CN=dora") {
		t.Errorf("before: %+v, %v", id, err)
	}
	now = end
	if id, err := h.Authenticate(r); !errors.Is(err, ErrDenied) {
		t.Errorf("after: %+v, %v", id, err)
	}
	now, h.Certificates = end.Add(-time.Second), false
	if id, err := h.Authenticate(r); !errors.Is(err, ErrDenied) {
		t.Errorf("where certificates are not enough: %+v, %v", id, err)
	}
}

func TestHTTP_EachPasswordAndTokenIsCounted(t *testing.T) {
	var told []string
	h := &HTTP{Now: time.Now, Authenticated: func(mechanism string, succeeded bool) { told = append(told, fmt.Sprint(mechanism, " ", succeeded)) }}
	h.Users = newWorld(t).knowing("dora")
	for _, password := range []string{"pw-dora", "another", ""} {
		r := httptest.NewRequest("GET", "/topics", nil)
		if password != "" {
			r.SetBasicAuth("dora", password)
		}
		if _, err := h.Authenticate(r); (err == nil) != (password == "pw-dora") {
			t.Errorf("%q: %v", password, err)
		}
	}
	tokens := newIssuer(t)
	h.Tokens = tokens.started
	for header, good := range map[string]bool{"Bearer " + sign(t, jwt.SigningMethodRS256, "one", tokens.keys["one"], tokens.claims()): true, "Bearer x": false, "Digest x": false} {
		r := httptest.NewRequest("GET", "/topics", nil)
		r.Header.Set("Authorization", header)
		if _, err := h.Authenticate(r); (err == nil) != good {
			t.Errorf("%s: %v", header, err)
		}
	}
	slices.Sort(told)
	if want := []string{"BASIC false", "BASIC true", "BEARER false", "BEARER true", "other false"}; !slices.Equal(told, want) {
		t.Errorf("%q, want %q", told, want)
	}
}
