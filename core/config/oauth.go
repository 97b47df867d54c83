package config

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"time"
)

// OAuth says which bearer tokens are taken.
type OAuth struct {
	OAuthJWKS      string        `name:"oauth-jwks" env:"FIRNLOG_OAUTH_JWKS" placeholder:"URL" help:"Keys that sign bearer tokens, as a JSON Web Key Set: https://…, or file:///…"`
	OAuthIssuer    string        `name:"oauth-issuer" env:"FIRNLOG_OAUTH_ISSUER" help:"Issuer (iss) that tokens must have."`
	OAuthAudience  string        `name:"oauth-audience" env:"FIRNLOG_OAUTH_AUDIENCE" help:"Audience (aud) that tokens must name."`
	OAuthPrincipal string        `name:"oauth-principal" env:"FIRNLOG_OAUTH_PRINCIPAL" default:"sub" help:"The claim of a token that names the user."`
	OAuthLeeway    time.Duration `name:"oauth-leeway" env:"FIRNLOG_OAUTH_LEEWAY" default:"30s" help:"How far the clocks of issuer and broker may be apart."`
}

// validate says what is wrong with them where tokens are taken. insecure: keys may come readable.
func (s *OAuth) validate(insecure bool) error {
	var errs []error
	u, err := url.Parse(s.OAuthJWKS)
	if err != nil || !slices.Contains([]string{"https", "http", "file"}, u.Scheme) || u.Scheme != "file" && u.Host == "" {
		errs = append(errs, errors.New("--oauth-jwks: bearer tokens need the URL of their keys: https://…, or file:///…"))
	} else if u.Scheme == "http" && !insecure && !(Address{Host: u.Hostname()}).isLoopback() {
		errs = append(errs, errors.New("--oauth-jwks: keys fetched over http can be replaced on the way: use https"))
	}
	if s.OAuthIssuer == "" || s.OAuthAudience == "" {
		errs = append(errs, errors.New("--oauth-issuer and --oauth-audience: bearer tokens need both, else tokens made for others would be taken"))
	}
	if s.OAuthLeeway < 0 || s.OAuthLeeway > 10*time.Minute {
		errs = append(errs, fmt.Errorf("--oauth-leeway %v: want 0 to 10m", s.OAuthLeeway))
	}
	return errors.Join(errs...)
}
