package auth

import (
	"bytes"
	"context"
	"unicode/utf8"
)

// plainExchange is RFC 4616: [authzid] NUL authcid NUL password.
type plainExchange struct {
	users *Users
	done  bool
}

// Step implements Exchange.
func (e *plainExchange) Step(ctx context.Context, message []byte) ([]byte, *Identity, error) {
	if e.done {
		return nil, nil, ErrMalformed
	}
	e.done = true
	parts := bytes.Split(message, []byte{0})
	if len(parts) != 3 || !utf8.Valid(message) || len(parts[1]) == 0 || len(parts[2]) == 0 {
		return nil, nil, ErrMalformed
	}
	authzid, name := string(parts[0]), string(parts[1])
	id, err := e.users.VerifyPassword(ctx, name, string(parts[2]))
	if err == nil && authzid != "" && authzid != name { // nobody speaks for another
		err = ErrDenied
	}
	if err != nil {
		return nil, nil, err
	}
	return nil, id, nil
}
