package acl

import (
	"context"
	"log/slog"
	"strings"

	"github.com/firnlog/firnlog/core/auth"
)

// Audit is an Authorizer that tells of what it refuses: how often, and in the log who wanted what. What is only left out of a list
// (auth.Aside) is not told, and AllowsSome neither: who asks it goes on to refuse something that has a name.
type Audit struct {
	auth.Authorizer
	FrontEnd string
	// Denied counts; nil: nobody does. None of the words is what a client chose.
	Denied func(resource, operation, frontEnd string)
	Log    *slog.Logger
}

// nameLogged is as much of a name as the log shows: groups may have longer ones.
const nameLogged = 256

// Allows implements auth.Authorizer.
func (a *Audit) Allows(ctx context.Context, q auth.Action) bool {
	if a.Authorizer.Allows(ctx, q) {
		return true
	}
	if q.Aside {
		return false
	}
	resource, operation := "REQUEST", "DISPATCH"
	if q.Operation != auth.OperationDispatch {
		resource, operation = TypeName(q.Resource.Type), OperationName(q.Operation)
	}
	if a.Denied != nil {
		a.Denied(resource, operation, a.FrontEnd)
	}
	a.Log.Info("not allowed", "front_end", a.FrontEnd, "principal", clipped(q.Principal.String()), "host", q.Host, "operation", operation, "resource", resource, "name", clipped(q.Resource.Name))
	return false
}

func clipped(s string) string {
	if len(s) > nameLogged {
		s = s[:nameLogged] + "…"
	}
	return strings.ToValidUTF8(s, "�")
}
