package acl

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/firnlog/firnlog/core/auth"
)

// Filter says which ACLs are meant. Texts that are nil fit every one.
type Filter struct {
	Type       auth.ResourceType
	Name       *string
	Pattern    Pattern
	Principal  *string
	Host       *string
	Operation  auth.Operation
	Permission Permission
}

// Everything is the filter of all ACLs.
func Everything() Filter {
	return Filter{Type: ResourceAny, Pattern: PatternAny, Operation: OperationAny, Permission: PermissionAny}
}

// Check says what is wrong with a filter: ErrInvalid.
func (f *Filter) Check() error {
	_, t := typeNames()[f.Type]
	_, p := patternNames()[f.Pattern]
	_, o := operationNames()[f.Operation]
	_, a := permissionNames()[f.Permission]
	if !t || !p || !o || !a {
		return fmt.Errorf("%w: a filter with a number that means nothing: resource type %d, pattern type %d, operation %d, permission %d", ErrInvalid, f.Type, f.Pattern, f.Operation, f.Permission)
	}
	return nil
}

// Fits says whether an ACL is meant.
func (f *Filter) Fits(b *Binding) bool {
	return (f.Type == ResourceAny || f.Type == b.Type) &&
		(f.Principal == nil || *f.Principal == b.Principal) &&
		(f.Host == nil || *f.Host == b.Host) &&
		(f.Operation == OperationAny || f.Operation == b.Operation) &&
		(f.Permission == PermissionAny || f.Permission == b.Permission) &&
		f.fitsName(b)
}

func (f *Filter) fitsName(b *Binding) bool {
	switch {
	case (f.Pattern == PatternLiteral || f.Pattern == PatternPrefixed) && f.Pattern != b.Pattern:
		return false
	case f.Name == nil:
		return true
	case f.Pattern != PatternMatch:
		return *f.Name == b.Name
	case b.Pattern == PatternPrefixed:
		return strings.HasPrefix(*f.Name, b.Name)
	}
	return *f.Name == b.Name || b.Name == Wildcard
}

// compare orders ACLs by resource, then by who.
func compare(a, b Binding) int {
	return cmp.Or(cmp.Compare(a.Type, b.Type), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Pattern, b.Pattern), cmp.Compare(a.Principal, b.Principal),
		cmp.Compare(a.Host, b.Host), cmp.Compare(a.Operation, b.Operation), cmp.Compare(a.Permission, b.Permission))
}
