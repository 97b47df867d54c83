package place

import (
	"fmt"
	"slices"
	"time"

	"github.com/firnlog/firnlog/core/auth"
	"github.com/firnlog/firnlog/core/config"
	"github.com/firnlog/firnlog/core/invoke"
)

// admit says who may do what over HTTP. Nothing is read: users, keys of tokens, ACLs and quotas are when a request needs them.
func (p *Place) admit(s *invoke.Settings) error {
	c := &p.Config.Access
	if err := c.Validate(); err != nil {
		return fmt.Errorf("settings: %w", err)
	}
	ways, err := c.HTTPWays()
	if err != nil {
		return err
	}
	if s.SuperUsers, err = superUsers(c.SuperUsers); err != nil {
		return err
	}
	s.Basic, s.AllowNoACL, s.CheckACLs, s.CheckQuotas = slices.Contains(ways, config.AuthBasic), c.AllowNoACL, c.HasACLs(), c.HasQuotas()
	if slices.Contains(ways, config.AuthBearer) {
		s.Tokens = auth.NewTokens(auth.TokenSettings{
			Issuer: c.OAuthIssuer, Audience: c.OAuthAudience, Principal: c.OAuthPrincipal, Leeway: c.OAuthLeeway,
			Keys: auth.DefaultKeySet(c.OAuthJWKS, time.Now, p.Log), Now: time.Now,
		})
	}
	return nil
}

func superUsers(list string) (out []auth.Principal, err error) {
	for _, one := range (&config.Security{SuperUsers: list}).SuperUserList() {
		p, err := auth.ParsePrincipal(one)
		if err != nil {
			return nil, fmt.Errorf("FIRNLOG_SUPERUSERS: %w", err)
		}
		out = append(out, p)
	}
	return out, nil
}
