package auth

import (
	"context"
	"crypto/hmac"
	"crypto/subtle"
	"encoding/base64"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/xdg-go/scram"
)

// scramExchange is RFC 5802 without channel binding, as Kafka's clients speak it. Each has a nonce of its own, so that what was
// recorded of another one proves nothing.
//
// The library reads the first message. The last one is checked here, since it is stricter than Kafka: librdkafka (that of Debian's kcat,
// among others) puts its own nonce before the one that it was sent, which has it in front already, and Kafka takes that.
type scramExchange struct {
	conversation *scram.ServerConversation
	mechanism    string
	first, reply string // messages of the first step
	found        bool
	credential   *Credential
	unavailable  bool
	steps        int
}

const nonceBytes = 24

func (u *Users) beginScram(mechanism string) Exchange {
	e := &scramExchange{mechanism: mechanism}
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
	if e.steps == 1 {
		reply, err := e.conversation.Step(string(message))
		switch {
		case e.unavailable:
			return nil, nil, ErrNotNow
		case err != nil:
			return nil, nil, ErrMalformed
		}
		e.first, e.reply = string(message), reply
		return []byte(reply), nil, nil
	}
	if e.credential == nil {
		return nil, nil, ErrMalformed
	}
	signature, proven := e.final(string(message))
	name := e.conversation.Username()
	if authzid := e.conversation.AuthzID(); !proven || !e.found || authzid != "" && authzid != name {
		return nil, nil, ErrDenied
	}
	return []byte("v=" + signature), &Identity{Principal: User(name), credential: e.credential}, nil
}

// final checks the proof (RFC 5802, section 3) and gives the server's signature.
func (e *scramExchange) final(message string) (signature string, proven bool) {
	cut := strings.LastIndex(message, ",p=")
	parts := strings.SplitN(e.first, ",", 3) // flag, authzid, bare message; the library has checked that they are there
	if cut < 0 || len(parts) != 3 {
		return "", false
	}
	withoutProof := message[:cut]
	proof, err := base64.StdEncoding.DecodeString(message[cut+len(",p="):])
	fields := strings.Split(withoutProof, ",")
	header := "c=" + base64.StdEncoding.EncodeToString([]byte(parts[0]+","+parts[1]+","))
	if err != nil || len(fields) < 2 || fields[0] != header || !e.isNonce(fields[1]) {
		return "", false
	}
	h := scramHash(e.mechanism)
	sign := func(key []byte) []byte {
		m := hmac.New(h, key)
		m.Write([]byte(parts[2] + "," + e.reply + "," + withoutProof))
		return m.Sum(nil)
	}
	clientKey := sign(e.credential.StoredKey)
	if len(proof) != len(clientKey) {
		return "", false
	}
	subtle.XORBytes(clientKey, clientKey, proof)
	digest := h()
	digest.Write(clientKey)
	return base64.StdEncoding.EncodeToString(sign(e.credential.ServerKey)), hmac.Equal(digest.Sum(nil), e.credential.StoredKey)
}

// isNonce takes the nonce that was sent, also with the client's own before it.
func (e *scramExchange) isNonce(field string) bool {
	sent, _, _ := strings.Cut(e.reply, ",") // r=…
	bare := strings.SplitN(e.first, ",", 3)[2]
	own, _, _ := strings.Cut(bare[strings.Index(bare, ",r=")+1:], ",")
	return field == sent || field == own+strings.TrimPrefix(sent, "r=")
}
