package acl

import (
	"context"

	"github.com/firnlog/firnlog/core/auth"
)

// Allows implements auth.Authorizer.
//
// Whole requests are never forbidden here: what they are about is asked for one by one. To look at users and change them is to describe
// and alter the cluster, as in Kafka.
func (a *ACLs) Allows(_ context.Context, q auth.Action) bool {
	if a.above(&q) || q.Operation == auth.OperationDispatch {
		return true
	}
	on := q.Resource
	if on.Type == auth.ResourceUser && (q.Operation == auth.OperationDescribe || q.Operation == auth.OperationAlter) {
		on = auth.Resource{Type: auth.ResourceCluster, Name: auth.ClusterName}
	}
	a.mu.RLock()
	defer a.mu.RUnlock()
	if !a.mu.known || len(a.mu.unreadable) > 0 {
		return false
	}
	v := a.mu.index.judge(q.Principal.String(), q.Host, on)
	return v.allows(q.Operation, a.AllowEveryone)
}

// AllowsSome implements auth.Authorizer. As in Kafka, where no ACL is about a name that nothing has and everybody may
// do what no ACL is about, they may.
func (a *ACLs) AllowsSome(_ context.Context, q auth.Action) bool {
	if a.above(&q) {
		return true
	}
	a.mu.RLock()
	defer a.mu.RUnlock()
	if !a.mu.known || len(a.mu.unreadable) > 0 {
		return false
	}
	who := q.Principal.String()
	v := a.mu.index.judge(who, q.Host, auth.Resource{Type: q.Resource.Type, Name: nobodys})
	return v.allows(q.Operation, a.AllowEveryone) || a.mu.index.some(who, q.Host, q.Resource.Type, q.Operation)
}

// nobodys is a name that no topic can have.
const nobodys = "\x00"

// above says that ACLs are not asked: for super users, and for instances, which asked for their clients already.
func (a *ACLs) above(q *auth.Action) bool {
	return q.Principal.Kind == auth.KindInstance || a.super[q.Principal]
}
