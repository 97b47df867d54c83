package auth

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// Principal is who asks, written like Kafka's: User:alice.
type Principal struct{ Kind, Name string }

// Kinds of principals.
const (
	KindUser = "User"
	// KindInstance is another instance of the cluster, which asks for one of its own clients. Nobody can log in as one but by its key.
	KindInstance = "Instance"
)

// User is the principal of a user.
func User(name string) Principal { return Principal{KindUser, name} }

// Anonymous is who comes by a listener without authentication.
func Anonymous() Principal { return User("ANONYMOUS") }

// String is Kind:name.
func (p Principal) String() string { return p.Kind + ":" + p.Name }

// ParsePrincipal reads Kind:name, and a bare name as that of a user.
func ParsePrincipal(s string) (Principal, error) {
	kind, name, ok := strings.Cut(s, ":")
	if !ok {
		kind, name = KindUser, s
	}
	if kind != KindUser || name == "" {
		return Principal{}, fmt.Errorf("principal %q: want User:NAME", s)
	}
	return Principal{kind, name}, nil
}

// Identity is an authenticated principal, with how long that holds.
type Identity struct {
	Principal Principal
	Mechanism string    // SASL's name; "SSL" for a certificate, "IAM", "" for nobody asked
	Expires   time.Time // zero: it does not
	Host      string    // the client's address, without port
	// credential is what it was proven with, if users' credentials were; see Users.Holds.
	credential *Credential
}

// Expired says that the client must authenticate again.
func (i *Identity) Expired(now time.Time) bool { return !i.Expires.IsZero() && !now.Before(i.Expires) }

// Invoker is who invokes a function without HTTP around it: the platform has checked that they may, and does not say who they are.
func Invoker() *Identity { return &Identity{Principal: Anonymous(), Mechanism: IAM} }

type identityKey struct{}

// WithIdentity gives a context that says who asks.
func WithIdentity(ctx context.Context, id *Identity) context.Context {
	return context.WithValue(ctx, identityKey{}, id)
}

// IdentityOf says who asks: Anonymous where nothing is known. It is never nil and not to be changed.
func IdentityOf(ctx context.Context) *Identity {
	if id, ok := ctx.Value(identityKey{}).(*Identity); ok {
		return id
	}
	return &Identity{Principal: Anonymous()}
}
