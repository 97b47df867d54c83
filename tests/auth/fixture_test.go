//go:build stack

package auth

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/firnlog/firnlog/tests/stack/harness"
)

// keys are all that is signed with, and the files that programs read.
type keys struct {
	t       testing.TB
	dir     string
	ca      *x509.Certificate
	caKey   *ecdsa.PrivateKey
	signing *ecdsa.PrivateKey // of tokens
}

func newKeys(t testing.TB) *keys {
	t.Helper()
	k := &keys{t: t, dir: t.TempDir(), caKey: newKey(t), signing: newKey(t)}
	k.ca = k.issue("authority", k.caKey, nil)
	k.write("ca.pem", block("CERTIFICATE", k.ca.Raw))
	point := func(i *big.Int) string { return base64.RawURLEncoding.EncodeToString(i.FillBytes(make([]byte, 32))) }
	set, err := json.Marshal(map[string]any{"keys": []map[string]string{{
		"kty": "EC", "crv": "P-256", "use": "sig", "kid": "k1", "alg": "ES256", "x": point(k.signing.X), "y": point(k.signing.Y),
	}}})
	if err != nil {
		t.Fatal(err)
	}
	k.write("jwks.json", set)
	return k
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func (k *keys) issue(name string, key *ecdsa.PrivateKey, parent *x509.Certificate) *x509.Certificate {
	k.t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name, OrganizationalUnit: []string{"tests"}},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour), IsCA: parent == nil, BasicConstraintsValid: true,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	if parent == nil {
		parent = template
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, k.caKey)
	if err != nil {
		k.t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		k.t.Fatal(err)
	}
	return cert
}

func block(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

func (k *keys) path(name string) string { return filepath.Join(k.dir, name) }

func (k *keys) write(name string, content []byte) string {
	k.t.Helper()
	if err := os.WriteFile(k.path(name), content, 0o600); err != nil {
		k.t.Fatal(err)
	}
	return k.path(name)
}

// trust is the TLS of a client that trusts the authority.
func (k *keys) trust(t *testing.T) *tls.Config {
	t.Helper()
	roots := x509.NewCertPool()
	roots.AddCert(k.ca)
	return &tls.Config{RootCAs: roots}
}

// certificate writes NAME.pem, NAME.key and, for Java, NAME.both.
func (k *keys) certificate(name string) {
	k.t.Helper()
	key := newKey(k.t)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		k.t.Fatal(err)
	}
	cert, secret := block("CERTIFICATE", k.issue(name, key, k.ca).Raw), block("PRIVATE KEY", private)
	k.write(name+".pem", cert)
	k.write(name+".key", secret)
	k.write(name+".both", append(secret, cert...))
}

// token writes a token to a file.
func (k *keys) token(file, audience string, expires time.Duration) string {
	k.t.Helper()
	token := jwt.NewWithClaims(jwt.SigningMethodES256, jwt.MapClaims{
		"iss": "tests", "aud": audience, "sub": "carol", "iat": time.Now().Add(-time.Hour).Unix(), "exp": time.Now().Add(expires).Unix(),
	})
	token.Header["kid"] = "k1"
	text, err := token.SignedString(k.signing)
	if err != nil {
		k.t.Fatal(err)
	}
	return k.write(file, []byte(text))
}

// guarded is a firnlog dev that asks everybody but who comes by its plain listener on loopback.
type guarded struct {
	*harness.Broker
	*keys
	sasl, mutual string // HOST:PORT
}

const rootPassword = "root-secret"

// start makes the user root before anything listens, as an operator does.
func start(t testing.TB) *guarded {
	t.Helper()
	g := &guarded{keys: newKeys(t), sasl: harness.Address(harness.FreePort(t)), mutual: harness.Address(harness.FreePort(t))}
	g.certificate("server")
	data := t.TempDir()
	first := harness.StartDev(t, data)
	first.Stop(20 * time.Second)
	if code, out := harness.Tools(t, nil, "user", "add", "root", "--data", data, "--password-file", g.write("root", []byte(rootPassword+"\n"))); code != 0 {
		t.Fatalf("firnlog user add: %d %s", code, out)
	}
	g.Broker = harness.StartDev(t, data,
		"--listen", "kafka://"+g.sasl+"?name=sasl&tls=on&auth=scram,plain,oauth", "--listen", "kafka://"+g.mutual+"?name=mutual&tls=on&auth=mtls",
		"--tls-cert", g.path("server.pem"), "--tls-key", g.path("server.key"), "--tls-client-ca", g.path("ca.pem"), "--superusers", "User:root",
		"--oauth-jwks", "file://"+g.path("jwks.json"), "--oauth-issuer", "tests", "--oauth-audience", "firnlog")
	return g
}
