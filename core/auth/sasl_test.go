package auth

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"hash"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/xdg-go/scram"
)

func hashOf(mechanism string) func() hash.Hash {
	if mechanism == ScramSHA512 {
		return sha512.New
	}
	return sha256.New
}

// logIn runs a client's side of SCRAM, and gives all messages.
func logIn(t *testing.T, u *Users, mechanism, name, password string) (id *Identity, messages []string, err error) {
	t.Helper()
	client, err := scram.HashGeneratorFcn(hashOf(mechanism)).NewClientUnprepped(name, password, "")
	if err != nil {
		t.Fatal(err)
	}
	talk, exchange, answer := client.NewConversation(), u.beginScram(mechanism), ""
	for range 2 {
		message, err := talk.Step(answer)
		if err != nil {
			t.Fatal(err)
		}
		var reply []byte
		reply, id, err = exchange.Step(t.Context(), []byte(message))
		messages = append(messages, message, string(reply))
		if err != nil {
			return nil, messages, err
		}
		answer = string(reply)
	}
	if _, err := talk.Step(answer); err != nil {
		t.Fatalf("the client does not believe the server: %v", err)
	}
	return id, messages, nil
}

func TestScram_EachMechanismLetsInWhoKnowsThePassword(t *testing.T) {
	u := newWorld(t).knowing("alice", "with,comma=and equals")
	for _, m := range []string{ScramSHA256, ScramSHA512} {
		for _, name := range []string{"alice", "with,comma=and equals"} {
			id, _, err := logIn(t, u, m, name, "pw-"+name)
			if err != nil || id.Principal != User(name) || !u.Holds(id) {
				t.Errorf("%s, %s: %+v, %v", m, name, id, err)
			}
			if _, _, err := logIn(t, u, m, name, "wrong"); !errors.Is(err, ErrDenied) {
				t.Errorf("%s, %s, a wrong password: %v", m, name, err)
			}
		}
	}
}

// An unknown user gets a salt that is always the same, the usual iteration count, and the same refusal at the same step.
func TestScram_AnUnknownUserLooksLikeAWrongPassword(t *testing.T) {
	w := newWorld(t)
	u, other := w.knowing("alice"), w.users()
	if err := other.Refresh(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	first := func(u *Users, name string) string {
		_, messages, err := logIn(t, u, ScramSHA256, name, "x")
		if !errors.Is(err, ErrDenied) || len(messages) != 4 || messages[3] != "" {
			t.Errorf("%s: %v after %d messages", name, err, len(messages))
		}
		_, salt, _ := strings.Cut(messages[1], ",")
		return salt
	}
	salt := first(u, "nobody")
	if again, elsewhere := first(u, "nobody"), first(other, "nobody"); salt != again || salt != elsewhere {
		t.Errorf("salts of an unknown user: %s, then %s, elsewhere %s", salt, again, elsewhere)
	}
	if another := first(u, "somebody"); another == salt {
		t.Error("two unknown users have one salt")
	}
	if known := first(u, "alice"); len(known) != len(salt) || known[strings.Index(known, ",i="):] != salt[strings.Index(salt, ",i="):] {
		t.Errorf("known: %s, unknown: %s", known, salt)
	}
}

func TestScram_WhatWasRecordedProvesNothing(t *testing.T) {
	u := newWorld(t).knowing("alice")
	_, messages, err := logIn(t, u, ScramSHA256, "alice", "pw-alice")
	if err != nil {
		t.Fatal(err)
	}
	replay := u.beginScram(ScramSHA256)
	if _, _, err := replay.Step(t.Context(), []byte(messages[0])); err != nil {
		t.Fatal(err)
	}
	if _, id, err := replay.Step(t.Context(), []byte(messages[2])); !errors.Is(err, ErrDenied) || id != nil {
		t.Errorf("replayed: %+v, %v", id, err)
	}
	if _, id, err := replay.Step(t.Context(), []byte(messages[2])); err == nil || id != nil {
		t.Errorf("a third message: %+v, %v", id, err)
	}
}

// librdkafka of some years ago says its own nonce twice.
func TestScram_ANonceWithTheClientsOwnBeforeItIsTaken(t *testing.T) {
	u := newWorld(t).knowing("alice")
	try := func(change func(own, sent string) string, password string) error {
		e := u.beginScram(ScramSHA256)
		reply, _, err := e.Step(t.Context(), []byte("n,,n=alice,r=own"))
		if err != nil {
			t.Fatal(err)
		}
		sent, _, _ := strings.Cut(strings.TrimPrefix(string(reply), "r="), ",")
		c := u.mu.byName["alice"][ScramSHA256]
		without := "c=biws,r=" + change("own", sent)
		salted := saltedPassword(ScramSHA256, password, c.Salt, c.Iterations)
		proof := macOf(salted, "Client Key")
		stored := sha256.Sum256(proof)
		for i, b := range macOf(stored[:], "n=alice,r=own,"+string(reply)+","+without) {
			proof[i] ^= b
		}
		_, _, err = e.Step(t.Context(), []byte(without+",p="+base64.StdEncoding.EncodeToString(proof)))
		return err
	}
	twice := func(own, sent string) string { return own + sent }
	if err := try(twice, "pw-alice"); err != nil {
		t.Errorf("the own nonce twice: %v", err)
	}
	for name, err := range map[string]error{
		"a wrong password": try(twice, "wrong"), "no nonce": try(func(string, string) string { return "" }, "pw-alice"),
		"the own nonce alone": try(func(own, _ string) string { return own }, "pw-alice"), "something before it": try(func(_, sent string) string { return "x" + sent }, "pw-alice"),
	} {
		if !errors.Is(err, ErrDenied) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestScram_NobodyIsLetInBySpeakingForAnother(t *testing.T) {
	u := newWorld(t).knowing("alice", "bob")
	client, _ := scram.SHA256.NewClientUnprepped("alice", "pw-alice", "bob")
	talk, exchange := client.NewConversation(), u.beginScram(ScramSHA256)
	message, _ := talk.Step("")
	reply, _, err := exchange.Step(t.Context(), []byte(message))
	if err != nil {
		t.Fatal(err)
	}
	message, _ = talk.Step(string(reply))
	if _, id, err := exchange.Step(t.Context(), []byte(message)); !errors.Is(err, ErrDenied) || id != nil {
		t.Errorf("SCRAM: %+v, %v", id, err)
	}
	for _, text := range []string{"bob\x00alice\x00pw-alice"} {
		if _, id, err := (&plainExchange{users: u}).Step(t.Context(), []byte(text)); !errors.Is(err, ErrDenied) || id != nil {
			t.Errorf("PLAIN: %+v, %v", id, err)
		}
	}
}

// The keys of an unknown user come from a value that operators can read; whoever knows it must not get in by it.
func TestScram_FakeCredentialsOpenNothing(t *testing.T) {
	u := newWorld(t).knowing("alice")
	fake := u.fake("nobody", ScramSHA256)
	if fake.matches(ScramSHA256, "") {
		t.Error("the empty password fits")
	}
	_, found, err := u.lookup("nobody", ScramSHA256)
	if found || err != nil {
		t.Errorf("found %v, %v", found, err)
	}
}

func TestPlain_TakesTheThreePartsAndNothingElse(t *testing.T) {
	u := newWorld(t).knowing("alice")
	for _, good := range []string{"\x00alice\x00pw-alice", "alice\x00alice\x00pw-alice"} {
		if _, id, err := (&plainExchange{users: u}).Step(t.Context(), []byte(good)); err != nil || id.Principal != User("alice") {
			t.Errorf("%q: %v", good, err)
		}
	}
	for _, bad := range []string{"", "\x00", "\x00\x00", "alice\x00pw-alice", "\x00alice\x00", "\x00\x00pw-alice", "\x00alice\x00pw-alice\x00", "\x00alice\x00\xff"} {
		if _, id, err := (&plainExchange{users: u}).Step(t.Context(), []byte(bad)); err == nil || id != nil {
			t.Errorf("%q lets in %+v", bad, id)
		}
	}
}

func TestBegin_OnlyWhatIsEnabledBegins(t *testing.T) {
	m := &Mechanisms{Enabled: []string{ScramSHA256}, Users: newWorld(t).knowing("alice"), Now: time.Now}
	for _, no := range []string{Plain, ScramSHA512, OAuthBearer, Peer, "", "SCRAM-SHA-256 ", "scram-sha-256", "ANONYMOUS"} {
		if e, err := m.Begin(no, nil); !errors.Is(err, ErrMechanism) || e != nil {
			t.Errorf("%q: %v, %v", no, e, err)
		}
	}
}

func TestCredential_KafkasToolsAndOursDeriveTheSame(t *testing.T) {
	// RFC 7677, section 3: user "user", password "pencil".
	salt, _ := base64.StdEncoding.DecodeString("W22ZaJ0SNY7soEsUEjb6gQ==")
	c, err := SaltedCredential(ScramSHA256, salt, saltedPassword(ScramSHA256, "pencil", salt, 4096), 4096)
	if err != nil || !c.matches(ScramSHA256, "pencil") || c.matches(ScramSHA256, "Pencil") {
		t.Fatalf("%+v, %v", c, err)
	}
	message := "n=user,r=rOprNGfwEbeRWgbNEkqO,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
	if got := base64.StdEncoding.EncodeToString(macOf(c.ServerKey, message)); got != "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=" {
		t.Errorf("server signature %s", got)
	}
}

func TestCredential_BoundsAreKept(t *testing.T) {
	salted := bytes.Repeat([]byte{1}, 32)
	for i, bad := range []func() (*Credential, error){
		func() (*Credential, error) { return SaltedCredential(ScramSHA256, []byte("salt"), salted, 4095) },
		func() (*Credential, error) { return SaltedCredential(ScramSHA256, []byte("salt"), salted, 16385) },
		func() (*Credential, error) { return SaltedCredential(ScramSHA256, nil, salted, 4096) },
		func() (*Credential, error) { return SaltedCredential(ScramSHA256, []byte("salt"), salted[:31], 4096) },
		func() (*Credential, error) { return SaltedCredential(Plain, []byte("salt"), salted, 4096) },
		func() (*Credential, error) { return SaltedCredential("", []byte("salt"), salted, 4096) },
	} {
		if c, err := bad(); err == nil {
			t.Errorf("%s: %+v", strconv.Itoa(i), c)
		}
	}
}

func macOf(key []byte, text string) []byte {
	m := hmac.New(sha256.New, key)
	m.Write([]byte(text))
	return m.Sum(nil)
}
