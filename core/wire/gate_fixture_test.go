package wire

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/coordination/memory"
	"github.com/firnlog/firnlog/core/auth"
)

// door is a server that asks who comes in. alice has the password "pw-alice", root is a super user.
type door struct {
	*bench
	users *auth.Users
	peers *auth.Peers
}

func newDoor(t testing.TB, gate Gate, change ...func(*Settings)) *door {
	t.Helper()
	d := &door{bench: newBench(t, change...), peers: auth.NewPeers()}
	kv, keys := memory.New(memory.Settings{}), coordination.NewKeys("test")
	if _, err := kv.Commit(context.Background(), nil, []coordination.Change{coordination.PutKey(keys.Format(), format)}); err != nil {
		t.Fatal(err)
	}
	d.users = auth.NewUsers(auth.UsersSettings{KV: kv, Keys: keys, Now: time.Now, Random: rand.Reader, Log: d.log})
	for _, name := range []string{"alice", "root"} {
		d.setPassword(t, name, "pw-"+name)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ran := make(chan struct{})
	go func() { defer close(ran); _ = d.users.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-ran })
	<-d.users.Loaded()
	gate.Closed = true
	if gate.Mechanisms == nil {
		gate.Mechanisms = &auth.Mechanisms{Enabled: []string{auth.ScramSHA512, auth.ScramSHA256, auth.Plain}}
	}
	gate.Mechanisms.Users, gate.Mechanisms.Peers, gate.Mechanisms.Now = d.users, d.peers, time.Now
	d.guards = Guards{
		Gates: map[string]Gate{"": gate}, Users: d.users,
		Authorizer: auth.Open{SuperUsers: []auth.Principal{auth.User("root")}},
	}
	d.Server.settings.AuthFailedDelay = time.Millisecond
	return d
}

func (d *door) setPassword(t testing.TB, name, password string) {
	t.Helper()
	changes := map[string]*auth.Credential{}
	for _, m := range []string{auth.ScramSHA256, auth.ScramSHA512} {
		c, err := auth.NewCredential(rand.Reader, m, password, auth.IterationsMin)
		if err != nil {
			t.Fatal(err)
		}
		changes[m] = c
	}
	if err := d.users.Change(context.Background(), name, changes); err != nil {
		t.Fatal(err)
	}
}

// authority signs certificates.
type authority struct {
	t    testing.TB
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t testing.TB) *authority {
	t.Helper()
	a := &authority{t: t, dir: t.TempDir()}
	a.key = newKey(t)
	a.cert = a.issue("authority", a.key, a.key, nil, true)
	a.write("ca.pem", "CERTIFICATE", a.cert.Raw)
	return a
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func (a *authority) issue(name string, key, by *ecdsa.PrivateKey, parent *x509.Certificate, isCA bool) *x509.Certificate {
	a.t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name, Organization: []string{"Example"}},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: isCA, BasicConstraintsValid: true,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	if parent == nil {
		parent = template
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, by)
	if err != nil {
		a.t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return cert
}

func (a *authority) write(name, kind string, der []byte) string {
	a.t.Helper()
	file := filepath.Join(a.dir, name)
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		a.t.Fatal(err)
	}
	return file
}

// files writes a certificate and its key.
func (a *authority) files(name string) (cert, key string) {
	a.t.Helper()
	k := newKey(a.t)
	der, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		a.t.Fatal(err)
	}
	return a.write(name+".pem", "CERTIFICATE", a.issue(name, k, a.key, a.cert, false).Raw), a.write(name+".key", "PRIVATE KEY", der)
}

func (a *authority) server(clients auth.ClientCertificates) *tls.Config {
	a.t.Helper()
	cert, key := a.files("server")
	c, err := auth.NewCertificates(auth.CertificateFiles{Certificate: cert, Key: key, ClientCA: filepath.Join(a.dir, "ca.pem")}, clients, nil, time.Now, slog.New(slog.DiscardHandler))
	if err != nil {
		a.t.Fatal(err)
	}
	return c.Config()
}

// client is a configuration that trusts the authority, with a certificate if there is a name.
func (a *authority) client(name string) *tls.Config {
	a.t.Helper()
	cert, key := "", ""
	if name != "" {
		cert, key = a.files(name)
	}
	config, err := auth.ClientTLS(filepath.Join(a.dir, "ca.pem"), cert, key)
	if err != nil {
		a.t.Fatal(err)
	}
	return config
}
