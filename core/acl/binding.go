package acl

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/firnlog/firnlog/core/auth"
)

// Pattern is how an ACL names resources, or how a filter finds ACLs; the numbers are Kafka's.
type Pattern int8

// Patterns. The first two are for filters alone.
const (
	PatternAny      Pattern = 1
	PatternMatch    Pattern = 2 // whatever fits the name: the name itself, "*", prefixes of it
	PatternLiteral  Pattern = 3
	PatternPrefixed Pattern = 4
)

// Permission is what an ACL says; the numbers are Kafka's.
type Permission int8

// Permissions.
const (
	PermissionAny   Permission = 1 // for filters alone
	PermissionDeny  Permission = 2
	PermissionAllow Permission = 3
)

// Any, in a filter, is every resource type and every operation.
const (
	ResourceAny  auth.ResourceType = 1
	OperationAny auth.Operation    = 1
)

// Wildcard is every name of a literal pattern, every host, and every user in User:*.
const Wildcard = "*"

// Binding is one ACL.
type Binding struct {
	Type       auth.ResourceType
	Name       string
	Pattern    Pattern
	Principal  string // Kind:name
	Host       string
	Operation  auth.Operation
	Permission Permission
}

// Bytes that the parts of an ACL may have. Names of topics are shorter; those of groups may be any text.
const (
	nameBytesMax      = 1024
	principalBytesMax = 512
	hostBytesMax      = 256
)

// operationsOf are the operations there are on resources of a type, beside ALL; nil: there is no such type.
func operationsOf(t auth.ResourceType) []auth.Operation {
	switch t {
	case auth.ResourceTopic:
		return []auth.Operation{auth.OperationRead, auth.OperationWrite, auth.OperationCreate, auth.OperationDelete, auth.OperationAlter, auth.OperationDescribe, auth.OperationDescribeConfigs, auth.OperationAlterConfigs}
	case auth.ResourceGroup:
		return []auth.Operation{auth.OperationRead, auth.OperationDelete, auth.OperationDescribe, auth.OperationDescribeConfigs, auth.OperationAlterConfigs}
	case auth.ResourceCluster:
		return []auth.Operation{auth.OperationCreate, auth.OperationAlter, auth.OperationDescribe, auth.OperationClusterAction, auth.OperationDescribeConfigs, auth.OperationAlterConfigs, auth.OperationIdempotentWrite}
	case auth.ResourceTransactionalID:
		return []auth.Operation{auth.OperationWrite, auth.OperationDescribe, auth.OperationTwoPhaseCommit}
	case auth.ResourceDelegationToken:
		return []auth.Operation{auth.OperationDescribe}
	case auth.ResourceUser:
		return []auth.Operation{auth.OperationCreateTokens, auth.OperationDescribeTokens}
	}
	return nil
}

// Operations are those that somebody may be told to have on a resource of a type.
func Operations(t auth.ResourceType) []auth.Operation { return operationsOf(t) }

// Check says what is wrong with an ACL: ErrInvalid, for a person to read.
func (b *Binding) Check() error {
	wrong := func(format string, args ...any) error {
		return fmt.Errorf("%w: %s", ErrInvalid, fmt.Sprintf(format, args...))
	}
	operations := operationsOf(b.Type)
	kind, who, colon := strings.Cut(b.Principal, ":")
	switch {
	case operations == nil:
		return wrong("there is no resource type %s to make one for", TypeName(b.Type))
	case b.Name == "":
		return wrong("the name of the resource is empty")
	case len(b.Name) > nameBytesMax || len(b.Principal) > principalBytesMax || len(b.Host) > hostBytesMax:
		return wrong("at most %d bytes of name, %d of principal, %d of host", nameBytesMax, principalBytesMax, hostBytesMax)
	case !utf8.ValidString(b.Name) || !utf8.ValidString(b.Principal) || !utf8.ValidString(b.Host):
		return wrong("texts must be UTF-8")
	case b.Pattern != PatternLiteral && b.Pattern != PatternPrefixed:
		return wrong("the pattern is LITERAL or PREFIXED, not %s", PatternName(b.Pattern))
	case b.Type == auth.ResourceCluster && b.Name != auth.ClusterName:
		return wrong("the only name of a cluster is %q", auth.ClusterName)
	case !colon || kind == "" || who == "":
		return wrong("the principal is User:NAME, not %q", b.Principal)
	case b.Host == "":
		return wrong("the host is empty: * is every host")
	case b.Permission != PermissionAllow && b.Permission != PermissionDeny:
		return wrong("the permission is ALLOW or DENY")
	case b.Operation != auth.OperationAll && !slices.Contains(operations, b.Operation):
		return wrong("there is no operation %s on %s", OperationName(b.Operation), TypeName(b.Type))
	}
	return nil
}

// stored is an ACL as it is in etcd; the words are Kafka's.
type stored struct {
	Type       string `json:"resource_type"`
	Name       string `json:"resource_name"`
	Pattern    string `json:"pattern_type"`
	Principal  string `json:"principal"`
	Host       string `json:"host"`
	Operation  string `json:"operation"`
	Permission string `json:"permission"`
}

// encode gives the id and the value of an ACL that was checked.
func (b *Binding) encode() (id string, value []byte, err error) {
	value, err = json.Marshal(stored{TypeName(b.Type), b.Name, PatternName(b.Pattern), b.Principal, b.Host, OperationName(b.Operation), PermissionName(b.Permission)})
	if err != nil {
		return "", nil, fmt.Errorf("encode ACL: %w", err)
	}
	sum := sha256.Sum256(value)
	return hex.EncodeToString(sum[:16]), value, nil
}

// decode reads a value. errUnreadable: it is none, or not the one of this id.
func decode(id string, value []byte) (b Binding, err error) {
	var s stored
	if err := json.Unmarshal(value, &s); err != nil {
		return b, fmt.Errorf("%w: %w", errUnreadable, err)
	}
	b = Binding{Name: s.Name, Principal: s.Principal, Host: s.Host}
	var known [4]bool
	b.Type, known[0] = ParseType(s.Type)
	b.Pattern, known[1] = ParsePattern(s.Pattern)
	b.Operation, known[2] = ParseOperation(s.Operation)
	b.Permission, known[3] = ParsePermission(s.Permission)
	if slices.Contains(known[:], false) {
		return b, fmt.Errorf("%w: a word of it is not known", errUnreadable)
	}
	if err := b.Check(); err != nil {
		return b, fmt.Errorf("%w: %w", errUnreadable, err)
	}
	if now, _, err := b.encode(); err != nil || now != id {
		return b, fmt.Errorf("%w: it is under the key of another", errUnreadable)
	}
	return b, nil
}
