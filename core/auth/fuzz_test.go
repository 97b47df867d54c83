package auth

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"log/slog"
	"testing"
	"time"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/coordination/memory"
)

// FuzzExchange lets a client that knows no password say anything, to all mechanisms: it is not let in.
func FuzzExchange(f *testing.F) {
	kv, keys, now := memory.New(memory.Settings{}), coordination.NewKeys("c"), func() time.Time { return time.Unix(1_800_000_000, 0) }
	if _, err := kv.Commit(context.Background(), nil, []coordination.Change{coordination.PutKey(keys.Format(), []byte(`{"era":"one"}`))}); err != nil {
		f.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	users := NewUsers(UsersSettings{KV: kv, Keys: keys, Now: now, Random: rand.Reader, Log: log})
	secret, err := NewCredential(rand.Reader, ScramSHA256, rand.Text(), IterationsMin)
	if err != nil {
		f.Fatal(err)
	}
	if err := users.Change(f.Context(), "alice", map[string]*Credential{ScramSHA256: secret}); err != nil {
		f.Fatal(err)
	}
	if err := users.Refresh(f.Context(), 0); err != nil {
		f.Fatal(err)
	}
	m := &Mechanisms{Enabled: []string{Plain, ScramSHA256, ScramSHA512, OAuthBearer}, Users: users, Now: now,
		Tokens: NewTokens(TokenSettings{Issuer: "i", Audience: "a", Now: now, Keys: DefaultKeySet("http://127.0.0.1:1/", now, log)})}
	f.Add([]byte("\x00alice\x00guess"), []byte{})
	f.Add([]byte("n,,n=alice,r=abc"), []byte("c=biws,r=abc,p=AAAA"))
	f.Add([]byte("n,a=alice,\x01auth=Bearer a.b.c\x01\x01"), []byte{1})
	f.Fuzz(func(t *testing.T, first, second []byte) {
		for _, mechanism := range m.Enabled {
			e, err := m.Begin(mechanism, nil)
			if err != nil {
				t.Fatal(err)
			}
			for _, message := range [][]byte{first, second} {
				_, id, err := e.Step(t.Context(), message)
				if id != nil {
					t.Fatalf("%s lets %v in for %q, %q", mechanism, id, first, second)
				}
				if err != nil {
					break
				}
			}
		}
	})
}

// FuzzText feeds what operators and certificates say, and what is stored of a user.
func FuzzText(f *testing.F) {
	f.Add("RULE:^CN=(.*?),.*$/$1/L,DEFAULT", "CN=a\\,b,O=c")
	f.Add("User:alice", `{"version":1,"scram":{"SCRAM-SHA-256":{"salt":"AAAA","iterations":4096}}}`)
	f.Fuzz(func(t *testing.T, text, subject string) {
		if rules, err := ParseNameRules(text); err == nil {
			_, _ = rules.Name(subject)
		}
		if p, err := ParsePrincipal(text); err == nil {
			if again, err := ParsePrincipal(p.String()); err != nil || again != p {
				t.Fatalf("%q is %v, and that is %v: %v", text, p, again, err)
			}
		}
		if user, err := decodeUser([]byte(subject)); err == nil {
			value, err := json.Marshal(stored{Scram: user})
			again, err2 := decodeUser(value)
			value2, err3 := json.Marshal(stored{Scram: again})
			if err != nil || err2 != nil || err3 != nil || !bytes.Equal(value, value2) {
				t.Fatalf("%s is read as %s: %v, %v, %v", value, value2, err, err2, err3)
			}
		}
	})
}
