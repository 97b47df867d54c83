package acl

import (
	"strings"

	"github.com/firnlog/firnlog/core/auth"
)

// index holds ACLs by resource and principal. A question looks up the name, "*", and as many prefixes of the name as
// there are different lengths of prefixes; of each the rules of this principal and of User:*. So its cost depends neither on how many ACLs
// there are nor on how many somebody else has.
type index struct {
	literal  map[auth.ResourceType]map[string]rules
	prefixed map[auth.ResourceType]map[string]rules
	lengths  map[auth.ResourceType]map[int]int // of prefixes: how many have this length
}

// rules are those of one pattern, by principal.
type rules map[string][]rule

type rule struct {
	host        string
	allow, deny operations
	operation   auth.Operation
}

// operations is a set of them.
type operations uint32

func one(op auth.Operation) operations { return 1 << uint(op) }

func setOf(list ...auth.Operation) (s operations) {
	for _, op := range list {
		s |= one(op)
	}
	return s
}

// allowedBy is what an ALLOW of an operation allows, with what it implies.
func allowedBy(op auth.Operation) operations {
	switch op {
	case auth.OperationAll:
		return ^operations(0)
	case auth.OperationRead, auth.OperationWrite, auth.OperationDelete, auth.OperationAlter:
		return setOf(op, auth.OperationDescribe)
	case auth.OperationAlterConfigs:
		return setOf(op, auth.OperationDescribeConfigs)
	}
	return one(op)
}

// deniedBy is what a DENY of an operation denies: nothing is implied.
func deniedBy(op auth.Operation) operations {
	if op == auth.OperationAll {
		return ^operations(0)
	}
	return one(op)
}

func newIndex() *index {
	return &index{map[auth.ResourceType]map[string]rules{}, map[auth.ResourceType]map[string]rules{}, map[auth.ResourceType]map[int]int{}}
}

func (x *index) side(p Pattern) map[auth.ResourceType]map[string]rules {
	if p == PatternPrefixed {
		return x.prefixed
	}
	return x.literal
}

func ruleOf(b *Binding) rule {
	r := rule{host: b.Host, operation: b.Operation}
	if b.Permission == PermissionDeny {
		r.deny = deniedBy(b.Operation)
	} else {
		r.allow = allowedBy(b.Operation)
	}
	return r
}

// add puts an ACL in, which must not be there.
func (x *index) add(b *Binding) {
	side := x.side(b.Pattern)
	if side[b.Type] == nil {
		side[b.Type] = map[string]rules{}
	}
	of := side[b.Type][b.Name]
	if of == nil {
		of = rules{}
		side[b.Type][b.Name] = of
		x.count(b, 1)
	}
	of[b.Principal] = append(of[b.Principal], ruleOf(b))
}

// remove takes an ACL out, which must be there.
func (x *index) remove(b *Binding) {
	side := x.side(b.Pattern)
	of, gone := side[b.Type][b.Name], ruleOf(b)
	var left []rule // a new list: nobody reads the old one, but it is small
	for _, r := range of[b.Principal] {
		if r != gone {
			left = append(left, r)
		}
	}
	of[b.Principal] = left
	if len(left) == 0 {
		delete(of, b.Principal)
	}
	if len(of) == 0 {
		delete(side[b.Type], b.Name)
		x.count(b, -1)
	}
}

func (x *index) count(b *Binding, n int) {
	if b.Pattern != PatternPrefixed {
		return
	}
	if x.lengths[b.Type] == nil {
		x.lengths[b.Type] = map[int]int{}
	}
	if x.lengths[b.Type][len(b.Name)] += n; x.lengths[b.Type][len(b.Name)] == 0 {
		delete(x.lengths[b.Type], len(b.Name))
	}
}

// verdict is what the ACLs of a resource say of a principal. none: there is no ACL of this resource, for whomever.
type verdict struct {
	allow, deny operations
	none        bool
}

func (v *verdict) allows(op auth.Operation, orNone bool) bool {
	switch {
	case v.deny&one(op) != 0:
		return false
	case v.allow&one(op) != 0:
		return true
	}
	return v.none && orNone
}

func (x *index) judge(principal, host string, on auth.Resource) verdict {
	v := verdict{none: true}
	literal := x.literal[on.Type]
	v.hear(literal[on.Name], principal, host)
	if on.Name != Wildcard {
		v.hear(literal[Wildcard], principal, host)
	}
	if prefixed := x.prefixed[on.Type]; len(prefixed) > 0 {
		for length := range x.lengths[on.Type] {
			if length <= len(on.Name) {
				v.hear(prefixed[on.Name[:length]], principal, host)
			}
		}
	}
	return v
}

// anyone is the principal of an ACL for all users.
const anyone = auth.KindUser + ":" + Wildcard

func (v *verdict) hear(of rules, principal, host string) {
	if of == nil {
		return
	}
	v.none = false
	for _, who := range [2]string{principal, anyone} {
		for i := range of[who] {
			if r := &of[who][i]; r.host == Wildcard || r.host == host {
				v.allow |= r.allow
				v.deny |= r.deny
			}
		}
	}
}

// some says whether an ALLOW is there for the operation on resources of a type that no DENY takes back as a whole (KIP-679). As
// in Kafka a prefix counts as long as no DENY is of a prefix of it, even if DENYs name all topics that there are.
func (x *index) some(principal, host string, t auth.ResourceType, op auth.Operation) bool {
	said := func(side map[string]rules, name string) verdict {
		v := verdict{none: true}
		v.hear(side[name], principal, host)
		return v
	}
	literal, prefixed := x.literal[t], x.prefixed[t]
	every := said(literal, Wildcard)
	if every.deny&one(op) != 0 {
		return false
	}
	var denied []string
	for name := range prefixed {
		if v := said(prefixed, name); v.deny&one(op) != 0 {
			denied = append(denied, name)
		}
	}
	taken := func(name string) bool {
		for _, d := range denied {
			if strings.HasPrefix(name, d) {
				return true
			}
		}
		return false
	}
	if every.allow&one(op) != 0 {
		return true
	}
	for name := range literal {
		if v := said(literal, name); v.allows(op, false) && !taken(name) {
			return true
		}
	}
	for name := range prefixed {
		if v := said(prefixed, name); v.allows(op, false) && !taken(name) {
			return true
		}
	}
	return false
}
