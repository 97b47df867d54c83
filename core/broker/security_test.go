package broker

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/acl"
	"github.com/firnlog/firnlog/core/auth"
	"github.com/firnlog/firnlog/objectstore/memory"
)

// selfSigned writes a certificate for 127.0.0.1 that trusts itself.
func selfSigned(t *testing.T, dir string) (cert, key string, roots *x509.CertPool) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "broker"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, BasicConstraintsValid: true, IsCA: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &k.PublicKey, k)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for file, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	roots = x509.NewCertPool()
	parsed, _ := x509.ParseCertificate(der)
	roots.AddCert(parsed)
	return cert, key, roots
}

func closed(cert, key string) func(*Settings) {
	return func(s *Settings) {
		s.Kafka = nil
		s.Listen = []string{"kafka://127.0.0.1:0?name=public&tls=on&auth=scram"}
		s.TLSCert, s.TLSKey, s.HTTPTLS, s.HTTPAuth, s.SuperUsers = cert, key, "on", "basic", "User:root"
	}
}

func addUser(t *testing.T, kv coordination.KV, name, password string) {
	t.Helper()
	c, err := auth.NewCredential(rand.Reader, auth.ScramSHA512, password, auth.IterationsMin)
	if err == nil {
		users := auth.NewUsers(auth.UsersSettings{KV: kv, Keys: coordination.NewKeys("test"), Now: time.Now, Random: rand.Reader, Log: slog.New(slog.DiscardHandler)})
		err = users.Change(context.Background(), name, map[string]*auth.Credential{auth.ScramSHA512: c})
	}
	if err != nil {
		t.Fatal(err)
	}
}

// grant makes ACLs as an operator would through any broker.
func grant(t *testing.T, kv coordination.KV, list ...acl.Binding) {
	t.Helper()
	rules := acl.New(acl.Settings{KV: kv, Keys: coordination.NewKeys("test"), Now: time.Now, Log: slog.New(slog.DiscardHandler), Visits: true})
	if err := errors.Join(rules.Create(t.Context(), list)...); err != nil {
		t.Fatal(err)
	}
}

// caller sends requests over HTTP as somebody.
type caller struct {
	t              *testing.T
	http           *http.Client
	user, password string
}

func (c *caller) send(b *running, method, path, kind, body string) (status int, answer string, header http.Header) {
	c.t.Helper()
	req, err := http.NewRequestWithContext(c.t.Context(), method, b.http+path, bytes.NewBufferString(body))
	if err != nil {
		c.t.Fatal(err)
	}
	req.Header.Set("Accept", kind)
	req.Header.Set("Content-Type", kind)
	if c.user != "" {
		req.SetBasicAuth(c.user, c.password)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return resp.StatusCode, string(got), resp.Header
}

func TestSecurity_TwoBrokersThatAskEverybodyServeWhoIsKnown(t *testing.T) {
	store, kv := memory.New(), newKV()
	cert, key, roots := selfSigned(t, t.TempDir())
	a, b := start(t, store, kv, closed(cert, key)), start(t, store, kv, closed(cert, key))
	addUser(t, kv, "alice", "pw-alice")
	addUser(t, kv, "mallory", "pw-mallory")
	for _, what := range []auth.ResourceType{auth.ResourceTopic, auth.ResourceGroup} {
		grant(t, kv, acl.Binding{Type: what, Name: acl.Wildcard, Pattern: acl.PatternLiteral, Principal: "User:alice", Host: acl.Wildcard, Operation: auth.OperationAll, Permission: acl.PermissionAllow})
	}
	trust := &tls.Config{RootCAs: roots}
	web := &http.Client{Transport: &http.Transport{TLSClientConfig: trust}}
	t.Cleanup(web.CloseIdleConnections)
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()

	known := client(t, kgo.SeedBrokers(a.kafka), kgo.DialTLSConfig(trust), kgo.SASL(scram.Auth{User: "alice", Pass: "pw-alice"}.AsSha512Mechanism()), kgo.AllowAutoTopicCreation(), kgo.DefaultProduceTopic("t"))
	if err := known.ProduceSync(ctx, kgo.StringRecord("hello")).FirstErr(); err != nil {
		t.Fatal(err)
	}
	for _, who := range []*caller{{t, web, "", ""}, {t, web, "alice", "wrong"}, {t, web, "nobody", "pw-alice"}} {
		for _, path := range []string{"/topics", "/v3/clusters", "/nothing", "/topics/t"} {
			status, answer, header := who.send(b, "GET", path, "*/*", "")
			if status != http.StatusUnauthorized || header.Get("WWW-Authenticate") == "" || strings.Contains(answer, `"t"`) {
				t.Errorf("%s as %q: %d %s", path, who.user, status, answer)
			}
		}
		for _, open := range []string{"/healthz", "/readyz", "/metrics"} {
			if status, _, _ := who.send(b, "GET", open, "*/*", ""); status != http.StatusOK {
				t.Errorf("%s: %d", open, status)
			}
		}
	}
	mallory := &caller{t, web, "mallory", "pw-mallory"} // who is known, and may do nothing
	if status, answer, _ := mallory.send(b, "GET", "/topics", plainV2, ""); status != http.StatusOK || strings.Contains(answer, `"t"`) {
		t.Errorf("%d %s", status, answer)
	}
	for _, path := range []string{"/topics/t", "/topics/no-such-topic"} {
		if status, answer, _ := mallory.send(a, "GET", path, plainV2, ""); status != http.StatusForbidden || !strings.Contains(answer, "40301") {
			t.Errorf("%s: %d %s", path, status, answer)
		}
	}
	alice := &caller{t, web, "alice", "pw-alice"}
	for _, at := range []*running{a, b} {
		for status := 0; status != http.StatusOK; { // each hears of ACLs by itself
			if status, _, _ = alice.send(at, "GET", "/topics/t", plainV2, ""); ctx.Err() != nil {
				t.Fatalf("alice gets %d", status)
			}
		}
	}
	if status, answer, _ := alice.send(b, "GET", "/topics", plainV2, ""); status != http.StatusOK || !strings.Contains(answer, `"t"`) {
		t.Errorf("%d %s", status, answer)
	}
	for i := range 6 { // some of these groups are coordinated by the other broker, which is asked over its listener
		at := []*running{a, b}[i%2]
		group := fmt.Sprintf("/consumers/g%d", i)
		if status, answer, _ := alice.send(at, "POST", group, plainV2, `{"name":"c","format":"binary","auto.offset.reset":"earliest"}`); status != http.StatusOK {
			t.Fatalf("%d %s", status, answer)
		}
		if status, answer, _ := alice.send(at, "POST", group+"/instances/c/subscription", plainV2, `{"topics":["t"]}`); status >= 300 {
			t.Fatalf("%d %s", status, answer)
		}
		for answer := ""; !strings.Contains(answer, "aGVsbG8="); { // "hello"
			status, got, _ := alice.send(at, "GET", group+"/instances/c/records?timeout=2000", "application/vnd.kafka.binary.v2+json", "")
			if answer = got; status != http.StatusOK || ctx.Err() != nil {
				t.Fatalf("group %d: %d %s", i, status, got)
			}
		}
		alice.send(at, "DELETE", group+"/instances/c", plainV2, "")
	}
}
