package auth

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// TokenSettings say which JSON Web Tokens are taken.
type TokenSettings struct {
	Issuer    string // iss must be it
	Audience  string // aud must name it
	Principal string // the claim that names the user; "": sub
	// Leeway is how far clocks may be apart.
	Leeway time.Duration
	Keys   *KeySet
	Now    func() time.Time
}

// Tokens verifies JSON Web Tokens: signature by a key of the set, issuer, audience, times.
type Tokens struct {
	settings TokenSettings
	parser   *jwt.Parser
}

const tokenBytesMax = 32 << 10

// algorithms that a token may be signed with. Only such with a public key: with "none" there is no signature, and with HMAC whoever
// knows the public key could make one.
func algorithms() []string {
	return []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}
}

// NewTokens makes Tokens.
func NewTokens(s TokenSettings) *Tokens {
	if s.Principal == "" {
		s.Principal = "sub"
	}
	options := []jwt.ParserOption{
		jwt.WithValidMethods(algorithms()), jwt.WithExpirationRequired(), jwt.WithLeeway(s.Leeway), jwt.WithTimeFunc(s.Now),
		jwt.WithIssuer(s.Issuer), jwt.WithAudience(s.Audience), jwt.WithIssuedAt(), jwt.WithStrictDecoding(),
	}
	return &Tokens{settings: s, parser: jwt.NewParser(options...)}
}

// Verify gives the identity that a token says. The library's errors may quote the token, so none of them goes on.
func (t *Tokens) Verify(ctx context.Context, token string) (*Identity, error) {
	if len(token) > tokenBytesMax {
		return nil, ErrDenied
	}
	claims := jwt.MapClaims{}
	unavailable := false
	_, err := t.parser.ParseWithClaims(token, claims, func(parsed *jwt.Token) (any, error) {
		key, err := t.settings.Keys.key(ctx, parsed)
		unavailable = errors.Is(err, ErrNotNow)
		return key, err
	})
	if unavailable {
		return nil, fmt.Errorf("%w: no signing keys", ErrNotNow)
	}
	if err != nil {
		return nil, ErrDenied
	}
	name, ok := claims[t.settings.Principal].(string)
	expires, err := claims.GetExpirationTime()
	if !ok || CheckName(name) != nil || err != nil || expires == nil {
		return nil, ErrDenied
	}
	return &Identity{Principal: User(name), Mechanism: OAuthBearer, Expires: expires.Time}, nil
}
