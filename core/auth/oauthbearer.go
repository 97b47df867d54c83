package auth

import (
	"bytes"
	"context"
	"errors"
	"strings"
)

// bearerExchange is RFC 7628: the client sends its token; if it is refused it is told so in JSON, answers with a single 0x01, and is
// refused for good.
type bearerExchange struct {
	tokens  *Tokens
	refused bool
	done    bool
}

// refusal is all that a client is told of a token that does not fit.
const refusal = `{"status":"invalid_token"}`

// Step implements Exchange.
func (e *bearerExchange) Step(ctx context.Context, message []byte) ([]byte, *Identity, error) {
	if e.refused && !e.done {
		e.done = true
		return nil, nil, ErrDenied
	}
	if e.done || e.tokens == nil {
		return nil, nil, ErrMalformed
	}
	token, authzid, err := parseBearer(message)
	if err != nil {
		e.done = true
		return nil, nil, err
	}
	id, err := e.tokens.Verify(ctx, token)
	switch {
	case errors.Is(err, ErrNotNow):
		e.done = true
		return nil, nil, err
	case err != nil, authzid != "" && authzid != id.Principal.Name:
		e.refused = true
		return []byte(refusal), nil, nil
	}
	e.done = true
	return nil, id, nil
}

// parseBearer takes n,a=authzid, 0x01 auth=Bearer TOKEN 0x01 [key=value 0x01 ...] 0x01 apart. Extensions are not looked at.
func parseBearer(message []byte) (token, authzid string, err error) {
	header, rest, ok := bytes.Cut(message, []byte{1})
	flags := strings.Split(string(header), ",")
	if !ok || len(flags) != 3 || flags[0] != "n" || flags[2] != "" || !bytes.HasSuffix(rest, []byte{1, 1}) {
		return "", "", ErrMalformed
	}
	if flags[1] != "" {
		if authzid, ok = strings.CutPrefix(flags[1], "a="); !ok {
			return "", "", ErrMalformed
		}
		authzid = strings.NewReplacer("=2C", ",", "=3D", "=").Replace(authzid)
	}
	for pair := range strings.SplitSeq(strings.TrimSuffix(string(rest), "\x01\x01"), "\x01") {
		key, value, _ := strings.Cut(pair, "=")
		if key != "auth" {
			continue
		}
		scheme, bare, ok := strings.Cut(value, " ")
		if !ok || !strings.EqualFold(scheme, "Bearer") || bare == "" || token != "" {
			return "", "", ErrMalformed
		}
		token = strings.TrimSpace(bare)
	}
	if token == "" {
		return "", "", ErrMalformed
	}
	return token, authzid, nil
}
