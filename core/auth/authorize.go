package auth

import (
	"context"
	"slices"
)

// Operation is what somebody wants to do; the names and numbers are Kafka's AclOperation.
type Operation int8

// Operations.
const (
	OperationAll             Operation = 2 // in rules only
	OperationRead            Operation = 3
	OperationWrite           Operation = 4
	OperationCreate          Operation = 5
	OperationDelete          Operation = 6
	OperationAlter           Operation = 7
	OperationDescribe        Operation = 8
	OperationClusterAction   Operation = 9
	OperationDescribeConfigs Operation = 10
	OperationAlterConfigs    Operation = 11
	OperationIdempotentWrite Operation = 12
	OperationCreateTokens    Operation = 13
	OperationDescribeTokens  Operation = 14
	OperationTwoPhaseCommit  Operation = 15
	// OperationDispatch is asked once for each request before it is looked at further; its resource is the request itself. Kafka has no
	// such operation: an authorizer of ACLs says yes, and one of another kind may close whole APIs.
	OperationDispatch Operation = -1
)

// ResourceType is what something is done to; the numbers are Kafka's.
type ResourceType int8

// Resource types.
const (
	ResourceTopic           ResourceType = 2
	ResourceGroup           ResourceType = 3
	ResourceCluster         ResourceType = 4
	ResourceTransactionalID ResourceType = 5
	ResourceDelegationToken ResourceType = 6
	ResourceUser            ResourceType = 7
	ResourceRequest         ResourceType = -1
)

// ClusterName is the name of the one resource of its type.
const ClusterName = "kafka-cluster"

// Resource is one thing by its exact name.
type Resource struct {
	Type ResourceType
	Name string
}

// Action is a question: may this principal, from this host, do this to that?
type Action struct {
	Principal Principal
	Host      string
	Operation Operation
	Resource  Resource
	// Aside: it is asked what to show, or which of several rights there is; a no refuses nothing.
	Aside bool
}

type asideKey struct{}

// Aside gives a context by which Ask asks aside: for lists, which leave out what may not be seen.
func Aside(ctx context.Context) context.Context { return context.WithValue(ctx, asideKey{}, true) }

// Authorizer answers it, from memory: it is asked for each request, and must not wait.
type Authorizer interface {
	Allows(ctx context.Context, a Action) bool
	// AllowsSome says whether the operation is allowed on at least one resource of a type; the action's resource has no name.
	AllowsSome(ctx context.Context, a Action) bool
}

// Ask is Authorizer.Allows for who asks by this context.
func Ask(ctx context.Context, by Authorizer, op Operation, on Resource) bool {
	id := IdentityOf(ctx)
	return by.Allows(ctx, Action{Principal: id.Principal, Host: id.Host, Operation: op, Resource: on, Aside: ctx.Value(asideKey{}) != nil})
}

// AskSome is Authorizer.AllowsSome for who asks by this context.
func AskSome(ctx context.Context, by Authorizer, op Operation, on ResourceType) bool {
	id := IdentityOf(ctx)
	return by.AllowsSome(ctx, Action{Principal: id.Principal, Host: id.Host, Operation: op, Resource: Resource{Type: on}})
}

// Open is the Authorizer where there are no ACLs: everybody may do everything but look at and change credentials, which is for
// super users. Where nobody has to authenticate, everybody may do that too.
type Open struct {
	SuperUsers []Principal
	// Unguarded: no listener asks who is there.
	Unguarded bool
}

// Allows implements Authorizer.
func (o Open) Allows(_ context.Context, a Action) bool {
	return a.Resource.Type != ResourceUser || o.Unguarded || slices.Contains(o.SuperUsers, a.Principal)
}

// AllowsSome implements Authorizer.
func (o Open) AllowsSome(ctx context.Context, a Action) bool { return o.Allows(ctx, a) }
