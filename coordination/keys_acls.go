package coordination

import "strings"

// ACLs is the prefix of all ACLs.
func (k Keys) ACLs() string { return k.root + "acls/" }

// ACL holds one rule; id is made of what it says (core/acl), so that the same rule is there once.
func (k Keys) ACL(id string) string { return k.ACLs() + id }

// ParseACL gives the id of a key below ACLs.
func (k Keys) ParseACL(key string) (id string, ok bool) {
	id, ok = strings.CutPrefix(key, k.ACLs())
	return id, ok && id != "" && !strings.Contains(id, "/")
}
