package auth

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// issuer signs tokens and serves its keys.
type issuer struct {
	*httptest.Server
	keys    map[string]*rsa.PrivateKey
	asked   atomic.Int64
	down    atomic.Bool
	now     time.Time
	started *Tokens
}

func newIssuer(t *testing.T) *issuer {
	t.Helper()
	i := &issuer{keys: map[string]*rsa.PrivateKey{}, now: time.Unix(1_800_000_000, 0)}
	i.addKey(t, "one")
	i.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		i.asked.Add(1)
		if i.down.Load() {
			http.Error(w, "down", http.StatusInternalServerError)
			return
		}
		w.Write(i.set())
	}))
	t.Cleanup(i.Close)
	clock := func() time.Time { return i.now }
	i.started = NewTokens(TokenSettings{Issuer: "iss", Audience: "firnlog", Leeway: 30 * time.Second, Keys: DefaultKeySet(i.URL, clock, slog.New(slog.DiscardHandler)), Now: clock})
	return i
}

func (i *issuer) addKey(t *testing.T, kid string) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	i.keys[kid] = key
}

func (i *issuer) set() []byte {
	var list []map[string]string
	for kid, k := range i.keys {
		list = append(list, map[string]string{
			"kty": "RSA", "kid": kid, "use": "sig", "alg": "RS256", "n": base64.RawURLEncoding.EncodeToString(k.N.Bytes()),
			"e": base64.RawURLEncoding.EncodeToString(big.NewInt(int64(k.E)).Bytes()),
		})
	}
	list = append(list, map[string]string{"kty": "oct", "kid": "shared", "k": base64.RawURLEncoding.EncodeToString(sharedKey())})
	out, _ := json.Marshal(map[string]any{"keys": list})
	return out
}

// sharedKey stands in the key set: a mistake of an issuer that must not let anybody in.
func sharedKey() []byte { return []byte("0123456789abcdef0123456789abcdef") }

func (i *issuer) claims(change ...func(jwt.MapClaims)) jwt.MapClaims {
	c := jwt.MapClaims{"iss": "iss", "aud": "firnlog", "sub": "alice", "exp": i.now.Add(time.Hour).Unix(), "iat": i.now.Unix()}
	for _, f := range change {
		f(c)
	}
	return c
}

func sign(t *testing.T, method jwt.SigningMethod, kid string, key any, claims jwt.MapClaims) string {
	t.Helper()
	token := jwt.NewWithClaims(method, claims)
	if kid != "" {
		token.Header["kid"] = kid
	}
	text, err := token.SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestTokens_AGoodOneSaysWhoAndForHowLong(t *testing.T) {
	i := newIssuer(t)
	for _, text := range []string{sign(t, jwt.SigningMethodRS256, "one", i.keys["one"], i.claims()), sign(t, jwt.SigningMethodRS256, "", i.keys["one"], i.claims())} {
		id, err := i.started.Verify(t.Context(), text)
		if err != nil || id.Principal != User("alice") || !id.Expires.Equal(i.now.Add(time.Hour)) {
			t.Errorf("%+v, %v", id, err)
		}
	}
	if n := i.asked.Load(); n != 1 {
		t.Errorf("keys were asked for %d times", n)
	}
}

func TestTokens_WhatDoesNotFitIsDenied(t *testing.T) {
	i := newIssuer(t)
	key := i.keys["one"]
	stranger, _ := rsa.GenerateKey(rand.Reader, 2048)
	public := key.N.Bytes()
	with := func(name string, value any) string {
		return sign(t, jwt.SigningMethodRS256, "one", key, i.claims(func(c jwt.MapClaims) { c[name] = value }))
	}
	without := func(name string) string {
		return sign(t, jwt.SigningMethodRS256, "one", key, i.claims(func(c jwt.MapClaims) { delete(c, name) }))
	}
	good := sign(t, jwt.SigningMethodRS256, "one", key, i.claims())
	for name, text := range map[string]string{
		"expired": with("exp", i.now.Add(-31*time.Second).Unix()), "no end": without("exp"),
		"not yet": with("nbf", i.now.Add(time.Minute).Unix()), "from the future": with("iat", i.now.Add(time.Minute).Unix()),
		"another audience": with("aud", "other"), "no audience": without("aud"), "another issuer": with("iss", "evil"), "no issuer": without("iss"),
		"nobody": without("sub"), "an empty name": with("sub", ""), "a name that is none": with("sub", 7), "a control character": with("sub", "a\nb"),
		"a stranger's key":           sign(t, jwt.SigningMethodRS256, "one", stranger, i.claims()),
		"none":                       sign(t, jwt.SigningMethodNone, "one", jwt.UnsafeAllowNoneSignatureType, i.claims()),
		"HMAC with the public key":   sign(t, jwt.SigningMethodHS256, "one", public, i.claims()),
		"HMAC with a key of the set": sign(t, jwt.SigningMethodHS256, "shared", sharedKey(), i.claims()),
		"HMAC without kid":           sign(t, jwt.SigningMethodHS256, "", public, i.claims()),
		"cut":                        good[:len(good)-10], "another algorithm than the key's": sign(t, jwt.SigningMethodPS256, "one", key, i.claims()),
		"nothing": "", "words": "a.b.c", "huge": good + string(make([]byte, tokenBytesMax)),
	} {
		if id, err := i.started.Verify(t.Context(), text); !errors.Is(err, ErrDenied) || id != nil {
			t.Errorf("%s: %+v, %v", name, id, err)
		}
	}
	if id, err := i.started.Verify(t.Context(), with("exp", i.now.Add(-29*time.Second).Unix())); err != nil {
		t.Errorf("within the leeway: %+v, %v", id, err)
	}
}

func TestKeySet_AnUnknownKeyIsLookedForAndNotOften(t *testing.T) {
	i := newIssuer(t)
	stranger, _ := rsa.GenerateKey(rand.Reader, 2048)
	for n := range 200 {
		if _, err := i.started.Verify(t.Context(), sign(t, jwt.SigningMethodRS256, fmt.Sprint("made up ", n), stranger, i.claims())); !errors.Is(err, ErrDenied) {
			t.Fatal(err)
		}
	}
	if n := i.asked.Load(); n != 1 {
		t.Errorf("200 unknown keys in a moment made %d requests", n)
	}
	i.addKey(t, "two")
	rotated := sign(t, jwt.SigningMethodRS256, "two", i.keys["two"], i.claims())
	i.now = i.now.Add(11 * time.Second)
	if _, err := i.started.Verify(t.Context(), rotated); err != nil {
		t.Errorf("a new key: %v", err)
	}
}

func TestKeySet_AnIssuerThatIsDownEndsNothing(t *testing.T) {
	i := newIssuer(t)
	text := sign(t, jwt.SigningMethodRS256, "one", i.keys["one"], i.claims())
	i.down.Store(true)
	if _, err := i.started.Verify(t.Context(), text); !errors.Is(err, ErrNotNow) {
		t.Errorf("before there are keys: %v", err)
	}
	i.down.Store(false)
	i.now = i.now.Add(11 * time.Second)
	if _, err := i.started.Verify(t.Context(), text); err != nil {
		t.Fatal(err)
	}
	i.down.Store(true)
	i.now = i.now.Add(59 * time.Minute)
	if _, err := i.started.Verify(t.Context(), text); err != nil {
		t.Errorf("with keys that are known: %v", err)
	}
}

func TestOAuthBearer_ARefusedTokenIsToldInJSONAndThenDenied(t *testing.T) {
	i := newIssuer(t)
	good := sign(t, jwt.SigningMethodRS256, "one", i.keys["one"], i.claims())
	step := func(e Exchange, message string) (string, *Identity, error) {
		reply, id, err := e.Step(t.Context(), []byte(message))
		return string(reply), id, err
	}
	if _, id, err := step(&bearerExchange{tokens: i.started}, "n,,\x01auth=Bearer "+good+"\x01\x01"); err != nil || id == nil {
		t.Errorf("good: %+v, %v", id, err)
	}
	if _, id, err := step(&bearerExchange{tokens: i.started}, "n,a=alice,\x01traceId=7\x01auth=bearer "+good+"\x01\x01"); err != nil || id == nil {
		t.Errorf("with extensions: %+v, %v", id, err)
	}
	for _, refused := range []string{"n,,\x01auth=Bearer x.y.z\x01\x01", "n,a=bob,\x01auth=Bearer " + good + "\x01\x01"} {
		e := &bearerExchange{tokens: i.started}
		if reply, id, err := step(e, refused); reply != refusal || id != nil || err != nil {
			t.Errorf("refused: %q, %+v, %v", reply, id, err)
		}
		if _, id, err := step(e, "\x01"); !errors.Is(err, ErrDenied) || id != nil {
			t.Errorf("then: %+v, %v", id, err)
		}
		if _, id, err := step(e, "n,,\x01auth=Bearer "+good+"\x01\x01"); err == nil || id != nil {
			t.Errorf("after that: %+v, %v", id, err)
		}
	}
	for _, bad := range []string{"", "n,,", "n,,\x01\x01", "y,,\x01auth=Bearer " + good + "\x01\x01", "n,,\x01auth=Basic x\x01\x01", "n,,\x01auth=Bearer " + good, "n,,\x01auth=Bearer a\x01auth=Bearer " + good + "\x01\x01"} {
		if _, id, err := step(&bearerExchange{tokens: i.started}, bad); !errors.Is(err, ErrMalformed) || id != nil {
			t.Errorf("%q: %+v, %v", bad[:min(len(bad), 30)], id, err)
		}
	}
}
