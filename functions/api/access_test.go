package api_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/firnlog/firnlog/core/acl"
	"github.com/firnlog/firnlog/core/auth"
	"github.com/firnlog/firnlog/core/coretest"
	"github.com/firnlog/firnlog/core/invoke"
	"github.com/firnlog/firnlog/core/quota"
	"github.com/firnlog/firnlog/functions/api"
	"github.com/firnlog/firnlog/functions/gateway"
)

// guarded is a cluster with a topic, a user, and what changes users, ACLs and quotas.
type guarded struct {
	*testing.T
	c      *coretest.Cluster
	users  *auth.Users
	acls   *acl.ACLs
	quotas *quota.Quotas
}

func newGuarded(t *testing.T) *guarded {
	t.Helper()
	c := coretest.NewCluster(t)
	c.Instance("broker", coretest.Options{}).Ready().Stop()
	c.CreateTopic("t", 1)
	kv, _, entropy := c.Reach("operator")
	g := &guarded{T: t, c: c}
	g.users = auth.NewUsers(auth.UsersSettings{KV: kv, Keys: c.Keys, Now: time.Now, Random: entropy, Log: coretest.Quiet()})
	g.acls = acl.New(acl.Settings{KV: kv, Keys: c.Keys, Now: time.Now, Log: coretest.Quiet(), Visits: true})
	g.quotas = quota.New(quota.Settings{KV: kv, Keys: c.Keys, Now: time.Now, Log: coretest.Quiet(), Visits: true})
	credential, err := auth.NewCredential(rand.Reader, auth.ScramSHA512, "right", auth.IterationsMin)
	if err != nil {
		t.Fatal(err)
	}
	if err := g.users.Change(t.Context(), "alice", map[string]*auth.Credential{auth.ScramSHA512: credential}); err != nil {
		t.Fatal(err)
	}
	for _, err := range g.acls.Create(t.Context(), []acl.Binding{{Type: auth.ResourceTopic, Name: "t", Pattern: acl.PatternLiteral, Principal: "User:alice", Host: "*", Operation: auth.OperationAll, Permission: acl.PermissionAllow}}) {
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := g.users.Refresh(t.Context(), 0); err != nil { // makes what salts of unknown users come from
		t.Fatal(err)
	}
	c.Transcript()
	return g
}

func asks(s *invoke.Settings) { s.Basic, s.CheckACLs = true, true }

// write sends a record with a value for the header Authorization.
func write(t *testing.T, h http.Handler, authorization string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/topics/t", strings.NewReader(`{"records":[{"value":"`+strings.Repeat("v", 1000)+`"}]}`))
	r.Header.Set("Content-Type", "application/vnd.kafka.text.v2+json")
	if authorization != "" {
		r.Header.Set("Authorization", authorization)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func basic(name, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(name+":"+password))
}

func (g *guarded) says(w *httptest.ResponseRecorder, status int) {
	g.Helper()
	if w.Code != status {
		g.Errorf("%d %s, want %d", w.Code, w.Body, status)
	}
}

func TestAccess_WhoIsNotKnownIsRefusedBeforeTheLogIsRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuarded(t)
		f := newAPI(g.c, "f", api.Writes, asks)
		w := write(t, f, "")
		g.says(w, http.StatusUnauthorized)
		if got := w.Header().Get("WWW-Authenticate"); !strings.HasPrefix(got, "Basic ") {
			t.Errorf("WWW-Authenticate: %q", got)
		}
		g.says(write(t, f, "Bearer x.y.z"), http.StatusUnauthorized)
		if lines := g.c.Transcript(); len(lines) > 0 {
			t.Errorf("without a password something was read: %q", lines)
		}
		for range 3 {
			g.says(write(t, f, basic("alice", "wrong")), http.StatusUnauthorized)
			g.says(write(t, f, basic("nobody", "right")), http.StatusUnauthorized)
		}
		if lines := g.c.Transcript(); len(lines) != 2 {
			t.Errorf("wrong passwords read the users once, and nothing else: %q", lines)
		}
	})
}

func TestAccess_UsersACLsAndTheirRemovalCountWithinSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuarded(t)
		f, reader := newAPI(g.c, "f", api.Writes, asks), newAPI(g.c, "g", api.Consumes, asks, func(s *invoke.Settings) { s.SuperUsers = []auth.Principal{auth.User("root")} })
		g.says(write(t, f, basic("alice", "right")), http.StatusOK)
		g.c.Transcript()
		g.says(write(t, f, basic("alice", "right")), http.StatusOK)
		for _, line := range g.c.Transcript() {
			if strings.Contains(line, "users/") || strings.Contains(line, "acls/") {
				t.Errorf("read again at once: %s", line)
			}
		}
		if gone := g.acls.Delete(t.Context(), []acl.Filter{acl.Everything()}); gone[0].Err != nil {
			t.Fatal(gone[0].Err)
		}
		time.Sleep(6 * time.Second)
		g.says(write(t, f, basic("alice", "right")), http.StatusForbidden)
		wants(t, as{reader, "alice"}, "GET", "/topics/t", "", 401) // whom no platform has named
		wants(t, platform{reader, "root"}, "GET", "/topics/t", "", 200)
		wants(t, platform{reader, "else"}, "GET", "/topics/t", "", 403)
		if err := g.users.Remove(t.Context(), "alice"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(6 * time.Second)
		g.says(write(t, f, basic("alice", "right")), http.StatusUnauthorized)
	})
}

// platform lets a handler answer requests as if IAM had named a principal.
type platform struct {
	http.Handler
	user string
}

func (p platform) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.Handler.ServeHTTP(w, r.WithContext(auth.WithIdentity(r.Context(), &auth.Identity{Principal: auth.User(p.user), Mechanism: auth.IAM})))
}

func TestAccess_AnInvocationWithoutHTTPIsCheckedByThePlatformAndBoundByACLs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuarded(t)
		f := newAPI(g.c, "f", api.Writes, asks)
		invoked := func() string {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/topics/t", strings.NewReader(`{"records":[{"value":"v"}]}`))
			r.Header.Set("Content-Type", "application/vnd.kafka.text.v2+json")
			return string(gateway.Call(f, r, coretest.Quiet()))
		}
		if got := invoked(); !strings.Contains(got, "40301") {
			t.Errorf("as nobody: %s", got)
		}
		for _, err := range g.acls.Create(t.Context(), []acl.Binding{{Type: auth.ResourceTopic, Name: "t", Pattern: acl.PatternLiteral, Principal: "User:ANONYMOUS", Host: "*", Operation: auth.OperationWrite, Permission: acl.PermissionAllow}}) {
			if err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(6 * time.Second)
		if got := invoked(); !strings.Contains(got, `"offset":0`) {
			t.Errorf("with an ACL for it: %s", got)
		}
	})
}

func TestAccess_BearerTokensAreTakenWhileTheyLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuarded(t)
		public, private, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		set := filepath.Join(t.TempDir(), "jwks.json")
		text := fmt.Sprintf(`{"keys":[{"kty":"OKP","crv":"Ed25519","alg":"EdDSA","use":"sig","kid":"k","x":%q}]}`, base64.RawURLEncoding.EncodeToString(public))
		if err := os.WriteFile(set, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		tokens := auth.NewTokens(auth.TokenSettings{Issuer: "i", Audience: "a", Keys: auth.DefaultKeySet("file://"+set, time.Now, coretest.Quiet()), Now: time.Now})
		f := newAPI(g.c, "f", api.Writes, asks, func(s *invoke.Settings) { s.Basic, s.Tokens = false, tokens })
		token := jwt.NewWithClaims(jwt.SigningMethodEdDSA, jwt.MapClaims{"iss": "i", "aud": "a", "sub": "alice", "exp": time.Now().Add(time.Minute).Unix()})
		token.Header["kid"] = "k"
		signed, err := token.SignedString(private)
		if err != nil {
			t.Fatal(err)
		}
		g.says(write(t, f, "Bearer "+signed), http.StatusOK)
		g.says(write(t, f, basic("alice", "right")), http.StatusUnauthorized)
		g.says(write(t, f, "Bearer "+signed[:len(signed)-4]+"AAAA"), http.StatusUnauthorized)
		time.Sleep(2 * time.Minute)
		g.says(write(t, f, "Bearer "+signed), http.StatusUnauthorized)
		for _, line := range g.c.Transcript() {
			if strings.Contains(line, "users/") {
				t.Errorf("users are read for a token: %s", line)
			}
		}
	})
}

func TestQuotas_LimitAnEnvironmentByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuarded(t)
		counts := func(s *invoke.Settings) { s.CheckQuotas = true }
		one, other, free := newAPI(g.c, "f", api.Writes, asks, counts), newAPI(g.c, "g", api.Writes, asks, counts), newAPI(g.c, "h", api.Writes, asks)
		if err := g.quotas.Alter(t.Context(), quota.Entity{User: quota.Named("alice")}, []quota.Op{{Key: quota.ProducerByteRate, Value: 100}}, false); err != nil {
			t.Fatal(err)
		}
		alice := basic("alice", "right")
		g.says(write(t, one, alice), http.StatusOK)
		late := write(t, one, alice)
		g.says(late, http.StatusTooManyRequests)
		after, err := strconv.Atoi(late.Header().Get("Retry-After"))
		if err != nil || after < 2 || after > 60 {
			t.Errorf("Retry-After %q", late.Header().Get("Retry-After"))
		}
		g.says(write(t, other, alice), http.StatusOK)
		g.says(write(t, free, alice), http.StatusOK)
		g.says(write(t, free, alice), http.StatusOK)
		time.Sleep(time.Duration(after) * time.Second)
		g.says(write(t, one, alice), http.StatusOK)
		if err := g.quotas.Alter(t.Context(), quota.Entity{User: quota.Named("alice")}, []quota.Op{{Key: quota.ProducerByteRate, Remove: true}}, false); err != nil {
			t.Fatal(err)
		}
		g.says(write(t, one, alice), http.StatusTooManyRequests)
		time.Sleep(31 * time.Second)
		g.says(write(t, one, alice), http.StatusOK)
	})
}
