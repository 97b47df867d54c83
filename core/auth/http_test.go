package auth

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"net/http/httptest"
	"testing"
	"time"
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
