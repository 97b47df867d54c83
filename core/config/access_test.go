package config

import "testing"

func TestAccess_ACLsAndQuotasAreOnWhereSomebodyAsksWhoIsThere(t *testing.T) {
	for _, c := range []struct {
		access       Access
		acls, quotas bool
	}{
		{Access{HTTPAuth: AuthNone}, false, false},
		{Access{HTTPAuth: AuthBasic, ACLs: "auto", Quotas: "auto"}, true, true},
		{Access{HTTPAuth: "basic,bearer"}, true, true},
		{Access{HTTPAuth: AuthBasic, ACLs: ACLsOff}, false, false},
		{Access{HTTPAuth: AuthNone, ACLs: ACLsOn}, true, true},
		{Access{HTTPAuth: AuthNone, Quotas: quotasOn}, false, true},
		{Access{HTTPAuth: AuthBasic, Quotas: quotasOff}, true, false},
	} {
		if c.access.HasACLs() != c.acls || c.access.HasQuotas() != c.quotas {
			t.Errorf("%+v: ACLs %v, quotas %v", c.access, c.access.HasACLs(), c.access.HasQuotas())
		}
	}
}

func TestAccess_WhatCannotWorkIsRefused(t *testing.T) {
	tokens := OAuth{OAuthJWKS: "file:///opt/jwks.json", OAuthIssuer: "i", OAuthAudience: "a"}
	readable := tokens
	readable.OAuthJWKS = "http://keys.example/jwks.json"
	for access, right := range map[Access]bool{
		{HTTPAuth: AuthNone}: true, {HTTPAuth: AuthBasic}: true, {HTTPAuth: AuthBearer}: false, {HTTPAuth: "basic,bearer", OAuth: tokens}: true,
		{HTTPAuth: AuthBearer, OAuth: readable}: false, {HTTPAuth: AuthMTLS}: false, {HTTPAuth: "scram"}: false,
	} {
		if err := access.Validate(); (err == nil) != right {
			t.Errorf("%+v: %v", access, err)
		}
	}
}
