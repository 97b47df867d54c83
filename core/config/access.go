package config

import (
	"errors"
	"fmt"
	"slices"
)

// Access are the settings of who may use a function over HTTP. What they are for brokers is Security.
type Access struct {
	HTTPAuth string `env:"FIRNLOG_HTTP_AUTH" default:"none" placeholder:"WAY,..." help:"How clients over HTTP authenticate, beside the platform's way (IAM): none, or some of basic, bearer. With one of them, who brings neither is refused."`
	OAuth
	ACLs       string `env:"FIRNLOG_ACLS" default:"auto" enum:"auto,on,off," help:"Whether ACLs say what requests over HTTP may do: on (by the principal that was authenticated or that the platform names, else User:ANONYMOUS), off (whoever may invoke a function may do all that it does), or auto: on where FIRNLOG_HTTP_AUTH asks who is there."`
	SuperUsers string `env:"FIRNLOG_SUPERUSERS" help:"Principals that ACLs do not bind, as for firnlog broker."`
	AllowNoACL bool   `env:"FIRNLOG_ALLOW_EVERYONE_IF_NO_ACL" help:"What no ACL is about may be done by everybody, as for firnlog broker."`
	Quotas     string `env:"FIRNLOG_QUOTAS" default:"auto" enum:"auto,on,off," help:"Whether quotas limit what clients do over HTTP (bytes, partitions made and deleted, time of requests), for each environment of a function by itself: on, off, or auto: on where ACLs are."`
}

// HTTPWays are the ways to authenticate over HTTP.
func (a *Access) HTTPWays() ([]string, error) {
	ways, err := parseAuth(a.HTTPAuth, AuthBasic, AuthBearer)
	if err != nil {
		return nil, fmt.Errorf("FIRNLOG_HTTP_AUTH: %w", err)
	}
	return ways, nil
}

// HasACLs says whether ACLs are asked.
func (a *Access) HasACLs() bool {
	ways, _ := a.HTTPWays() // Validate says what is wrong
	return a.ACLs == ACLsOn || a.ACLs != ACLsOff && len(ways) > 0
}

// HasQuotas says whether quotas are heeded.
func (a *Access) HasQuotas() bool {
	return a.Quotas == quotasOn || a.Quotas != quotasOff && a.HasACLs()
}

const (
	quotasOn  = "on"
	quotasOff = "off"
)

// Validate reports all that is wrong at once.
func (a *Access) Validate() error {
	ways, err := a.HTTPWays()
	if slices.Contains(ways, AuthBearer) {
		err = errors.Join(err, a.OAuth.validate(false))
	}
	return err
}
