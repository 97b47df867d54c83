package broker

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/firnlog/firnlog/core/acl"
	"github.com/firnlog/firnlog/core/auth"
	"github.com/firnlog/firnlog/core/telemetry"
	"github.com/firnlog/firnlog/objectstore/memory"
)

// webDoor is a broker whose HTTP address takes passwords, tokens and certificates. There is one topic, secret-orders.
type webDoor struct {
	*running
	t       *testing.T
	roots   *x509.CertPool
	signing *ecdsa.PrivateKey // of tokens
	ca      tls.Certificate   // of clients
	log     *strings.Builder
}

func newSigner(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func newWebDoor(t *testing.T) *webDoor {
	t.Helper()
	dir := t.TempDir()
	d := &webDoor{t: t, signing: newSigner(t), log: &strings.Builder{}}
	cert, key, roots := selfSigned(t, dir)
	d.roots = roots
	var err error
	if d.ca, err = tls.LoadX509KeyPair(cert, key); err != nil {
		t.Fatal(err)
	}
	coordinate := func(i *big.Int) string { return base64.RawURLEncoding.EncodeToString(i.FillBytes(make([]byte, 32))) }
	set, err := json.Marshal(map[string]any{"keys": []map[string]string{{
		"kty": "EC", "crv": "P-256", "use": "sig", "kid": "k1", "alg": "ES256", "x": coordinate(d.signing.X), "y": coordinate(d.signing.Y),
	}}})
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "jwks.json"), set, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	kv := newKV()
	d.running = start(t, memory.New(), kv, closed(cert, key), func(s *Settings) {
		s.TLSClientCA, s.HTTPAuth, s.PrincipalRules, s.Console = cert, "basic,bearer,mtls", `RULE:^CN=(.*?),.*$/$1/,DEFAULT`, true
		s.OAuthJWKS, s.OAuthIssuer, s.OAuthAudience = "file://"+filepath.Join(dir, "jwks.json"), "tests", "firnlog"
		s.Log = telemetry.NewLogger(d.log, "debug")
	})
	addUser(t, kv, "root", "pw-of-root")
	addUser(t, kv, "alice", "pw-of-alice")
	for _, who := range []string{"carol", "dora", "alice"} {
		grant(t, kv, acl.Binding{Type: auth.ResourceTopic, Name: "secret-orders", Pattern: acl.PatternLiteral, Principal: "User:" + who, Host: acl.Wildcard, Operation: auth.OperationDescribe, Permission: acl.PermissionAllow})
	}
	return d
}

// token is signed by key; change makes it another than a good one.
func (d *webDoor) token(key any, method jwt.SigningMethod, change func(jwt.MapClaims)) string {
	d.t.Helper()
	claims := jwt.MapClaims{"iss": "tests", "aud": "firnlog", "sub": "carol", "iat": time.Now().Add(-2 * time.Hour).Unix(), "exp": time.Now().Add(time.Hour).Unix()}
	if change != nil {
		change(claims)
	}
	token := jwt.NewWithClaims(method, claims)
	token.Header["kid"] = "k1"
	text, err := token.SignedString(key)
	if err != nil {
		d.t.Fatal(err)
	}
	return text
}

// certificate is signed by a client authority.
func (d *webDoor) certificate(name string, by tls.Certificate, ends time.Duration) *tls.Certificate {
	d.t.Helper()
	key := newSigner(d.t)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name, OrganizationalUnit: []string{"tests"}},
		NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: time.Now().Add(ends), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, by.Leaf, &key.PublicKey, by.PrivateKey)
	if err != nil {
		d.t.Fatal(err)
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// ask sends a request with an Authorization header ("": none) and a certificate (nil: none), on a connection of its own.
func (d *webDoor) ask(method, path, authorization string, shown *tls.Certificate) (status int, body string, header http.Header, err error) {
	d.t.Helper()
	config := &tls.Config{RootCAs: d.roots}
	if shown != nil { // whatever authorities the server names
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return shown, nil }
	}
	web := &http.Client{Transport: &http.Transport{TLSClientConfig: config, DisableKeepAlives: true}, Timeout: 30 * time.Second}
	req, err := http.NewRequestWithContext(d.t.Context(), method, d.http+path, strings.NewReader("{}"))
	if err != nil {
		d.t.Fatal(err)
	}
	req.Header.Set("Content-Type", plainV2)
	req.Header.Set("X-Request-Id", "one")
	if authorization != "" {
		req.Header.Set("Authorization", authorization)
	}
	resp, err := web.Do(req)
	if err != nil {
		return 0, "", nil, err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(raw), resp.Header, err
}

func basic(user, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
}

// created makes the topic as root, and waits until alice sees it: she is the last user, and hers is the last ACL.
func (d *webDoor) created() {
	d.t.Helper()
	root := &caller{d.t, &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: d.roots}, DisableKeepAlives: true}}, "root", "pw-of-root"}
	var clusters struct {
		Data []struct {
			ID string `json:"cluster_id"`
		} `json:"data"`
	}
	deadline := time.Now().Add(time.Minute)
	for len(clusters.Data) == 0 {
		_, answer, _ := root.send(d.running, "GET", "/v3/clusters", "application/json", "")
		if _ = json.Unmarshal([]byte(answer), &clusters); time.Now().After(deadline) { // until the user is known
			d.t.Fatal(answer)
		}
	}
	if status, answer, _ := root.send(d.running, "POST", "/v3/clusters/"+clusters.Data[0].ID+"/topics", "application/json", `{"topic_name":"secret-orders","partitions_count":1}`); status != http.StatusCreated {
		d.t.Fatalf("%d %s", status, answer)
	}
	for {
		status, answer := d.send("GET", "/topics")
		if status == http.StatusOK && strings.Contains(answer, "secret-orders") {
			return
		}
		if time.Now().After(deadline) {
			d.t.Fatalf("%d %s", status, answer)
		}
	}
}

func TestHTTP_EachProofOpensForWhomItNamesAndNobodyElse(t *testing.T) {
	d := newWebDoor(t)
	d.created()
	bearer := func(change func(jwt.MapClaims)) string {
		return "Bearer " + d.token(d.signing, jwt.SigningMethodES256, change)
	}
	as := func(name string) string { return bearer(func(c jwt.MapClaims) { c["sub"] = name }) }
	for _, good := range []struct {
		what, authorization string
		shown               *tls.Certificate
		status              int
	}{
		{"password", basic("alice", "pw-of-alice"), nil, http.StatusOK},
		{"token", bearer(nil), nil, http.StatusOK},
		{"certificate", "", d.certificate("dora", d.ca, time.Hour), http.StatusOK},
		{"password beside a certificate of somebody else", basic("alice", "pw-of-alice"), d.certificate("eve", d.ca, time.Hour), http.StatusOK},
		{"token of somebody without rights", as("eve"), nil, http.StatusForbidden},
		{"certificate of somebody without rights", "", d.certificate("eve", d.ca, time.Hour), http.StatusForbidden},
		{"token of one who has rights by another proof", as("alice"), nil, http.StatusOK},
	} {
		got := 0
		for deadline := time.Now().Add(time.Minute); got != good.status && time.Now().Before(deadline); { // it hears of ACLs by itself
			status, body, _, err := d.ask("GET", "/topics/secret-orders", good.authorization, good.shown)
			if got = status; err != nil || status == http.StatusUnauthorized {
				t.Fatalf("%s: %d %s, %v", good.what, status, body, err)
			}
		}
		if got != good.status {
			t.Errorf("%s: %d, want %d", good.what, got, good.status)
		}
	}
}

func TestHTTP_WhatProvesNothingIsRefusedAlikeAndToldNothing(t *testing.T) {
	d := newWebDoor(t)
	d.created()
	bearer := func(change func(jwt.MapClaims)) string {
		return "Bearer " + d.token(d.signing, jwt.SigningMethodES256, change)
	}
	for what, tried := range map[string]string{
		"nothing": "", "a wrong password": basic("alice", "tried-password"), "no password": basic("alice", ""), "an unknown user": basic("nobody-known", "tried-password"),
		"no base64": "Basic !!tried!!", "no colon": "Basic " + base64.StdEncoding.EncodeToString([]byte("tried")), "another scheme": "Digest username=alice", "no scheme": "tried",
		"an expired token":                bearer(func(c jwt.MapClaims) { c["exp"] = time.Now().Add(-time.Hour).Unix() }),
		"a token that never ends":         bearer(func(c jwt.MapClaims) { delete(c, "exp") }),
		"one for somebody else":           bearer(func(c jwt.MapClaims) { c["aud"] = "another" }),
		"one by another issuer":           bearer(func(c jwt.MapClaims) { c["iss"] = "another" }),
		"one for nobody":                  bearer(func(c jwt.MapClaims) { delete(c, "sub") }),
		"one signed by another key":       "Bearer " + d.token(newSigner(t), jwt.SigningMethodES256, nil),
		"one that is not signed":          "Bearer " + d.token(jwt.UnsafeAllowNoneSignatureType, jwt.SigningMethodNone, nil),
		"one signed with the public half": "Bearer " + d.token(elliptic.Marshal(elliptic.P256(), d.signing.X, d.signing.Y), jwt.SigningMethodHS256, nil), //nolint:staticcheck // the bytes a cheat would use
		"no token":                        "Bearer tried.token.text",
	} {
		var first string
		for _, path := range []string{"/topics", "/topics/secret-orders", "/topics/no-such-topic", "/v3/clusters", "/consumers/g", "/no-such-route", "/console/api/v1/cluster"} {
			status, body, header, err := d.ask("GET", path, tried, nil)
			if err != nil || status != http.StatusUnauthorized {
				t.Errorf("%s, %s: %d %s, %v", what, path, status, body, err)
				continue
			}
			d.tellsNothing(what+", "+path, body, header)
			if first == "" {
				first = body
			}
			if body != first && !strings.HasPrefix(path, "/console/") {
				t.Errorf("%s, %s: %s, but elsewhere %s", what, path, body, first)
			}
			if tried == "" && strings.HasPrefix(path, "/topics/") {
				if status, _, _, err := d.ask("POST", path, tried, nil); err != nil || status != http.StatusUnauthorized {
					t.Errorf("%s, POST %s: %d, %v", what, path, status, err)
				}
			}
			if tried != "" && path != "/topics" && !strings.HasPrefix(path, "/console/") {
				break // a refusal is delayed; where it comes from does not depend on what was tried
			}
		}
	}
	if log := d.said(); strings.Contains(log, "tried") || strings.Contains(log, "pw-of") || strings.Contains(log, "nobody-known") || strings.Contains(log, "eyJ") {
		t.Errorf("the log tells what was tried: %s", log)
	}
}

// said is the log, after the broker has ended.
func (d *webDoor) said() string {
	d.stop()
	return d.log.String()
}

// tellsNothing wants a refusal to say what to do, and nothing of what was wrong or what is there.
func (d *webDoor) tellsNothing(what, body string, header http.Header) {
	d.t.Helper()
	var e struct {
		Code    int    `json:"error_code"`
		Message string `json:"message"`
		Error   string `json:"error"` // the console's
	}
	if err := json.Unmarshal([]byte(body), &e); err != nil || e.Code != 40101 && e.Error == "" || !strings.Contains(e.Message+e.Error, "authentication is required") {
		d.t.Errorf("%s: the body is %s", what, body)
	}
	if asked := strings.Join(header.Values("WWW-Authenticate"), "; "); !strings.Contains(asked, "Basic realm") || !strings.Contains(asked, "Bearer realm") {
		d.t.Errorf("%s: WWW-Authenticate: %s", what, asked)
	}
	for _, told := range []string{"secret", "alice", "nobody", "tried", "expired", "audience", "signature", "another"} {
		if strings.Contains(body+fmt.Sprint(header), told) {
			d.t.Errorf("%s: %q is told: %s %v", what, told, body, header)
		}
	}
}

func TestHTTP_ACertificateThatProvesNothingEndsTheHandshake(t *testing.T) {
	d := newWebDoor(t)
	d.created()
	dir := t.TempDir()
	cert, key, _ := selfSigned(t, dir)
	stranger, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	for what, shown := range map[string]*tls.Certificate{
		"of another authority": d.certificate("dora", stranger, time.Hour), "ended": d.certificate("dora", d.ca, -time.Hour), "its own authority": &stranger,
	} {
		if status, body, _, err := d.ask("GET", "/topics", "", shown); err == nil || !strings.Contains(err.Error(), "tls: ") {
			t.Errorf("%s: %d %s, %v", what, status, body, err)
		}
	}
	if status, body, _, err := d.ask("GET", "/topics", basic("alice", "wrong"), d.certificate("dora", d.ca, time.Hour)); err != nil || status != http.StatusUnauthorized {
		t.Errorf("a good certificate with a wrong password: %d %s, %v", status, body, err)
	}
	for _, open := range []string{"/healthz", "/readyz", "/metrics"} { // whoever watches has nothing to show
		status, body, _, err := d.ask("GET", open, "", nil)
		if err != nil || status != http.StatusOK || strings.Contains(body, "alice") || strings.Contains(body, "pw-of") {
			t.Errorf("%s: %d, %v", open, status, err)
		}
	}
	if status, _, header, err := d.ask("GET", "/healthz", basic("alice", "wrong"), nil); err != nil || status != http.StatusOK || header.Get("WWW-Authenticate") != "" {
		t.Errorf("/healthz with a wrong password: %d, %v", status, err)
	}
	if log := d.said(); strings.Count(log, "HTTP connection failed") != 3 {
		t.Errorf("the log does not tell of the handshakes: %s", log)
	}
}
