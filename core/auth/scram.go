package auth

import (
	"context"
	"encoding/base64"
	"io"
	"unicode/utf8"

	"github.com/xdg-go/scram"
)

// scramExchange is RFC 5802 without channel binding, as Kafka's clients speak it. Each has a nonce of its own, so that what was
// recorded of another one proves nothing.
type scramExchange struct {
	conversation *scram.ServerConversation
	found        bool
	credential   *Credential
	unavailable  bool
	steps        int
}

const nonceBytes = 24

func (u *Users) beginScram(mechanism string) Exchange {
	e := &scramExchange{}
	server, err := scram.HashGeneratorFcn(scramHash(mechanism)).NewServer(func(name string) (scram.StoredCredentials, error) {
		c, found, err := u.lookup(name, mechanism)
		if err != nil {
			e.unavailable = true
			return scram.StoredCredentials{}, err
		}
		e.credential, e.found = c, found
		return scram.StoredCredentials{
			KeyFactors: scram.KeyFactors{Salt: string(c.Salt), Iters: c.Iterations}, StoredKey: c.StoredKey, ServerKey: c.ServerKey,
		}, nil
	})
	if err != nil { // it has no way to fail
		panic(err)
	}
	e.conversation = server.WithNonceGenerator(func() string {
		nonce := make([]byte, nonceBytes)
		if _, err := io.ReadFull(u.Random, nonce); err != nil {
			panic("entropy ran out: " + err.Error())
		}
		return base64.RawStdEncoding.EncodeToString(nonce)
	}).NewConversation()
	return e
}

// Step implements Exchange. The library's errors quote the client's message, so none of them goes on.
func (e *scramExchange) Step(_ context.Context, message []byte) ([]byte, *Identity, error) {
	e.steps++
	if e.steps > 2 || !utf8.Valid(message) {
		return nil, nil, ErrMalformed
	}
	reply, err := e.conversation.Step(string(message))
	switch {
	case e.unavailable:
		return nil, nil, ErrNotNow
	case err != nil && e.steps == 1:
		return nil, nil, ErrMalformed
	case err != nil:
		return nil, nil, ErrDenied
	case e.steps == 1:
		return []byte(reply), nil, nil
	}
	name := e.conversation.Username()
	if authzid := e.conversation.AuthzID(); !e.conversation.Valid() || !e.found || authzid != "" && authzid != name {
		return nil, nil, ErrDenied
	}
	return []byte(reply), &Identity{Principal: User(name), credential: e.credential}, nil
}
