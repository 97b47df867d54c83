// Package acl says who may what: Kafka's access control lists, by the rules of Kafka's StandardAuthorizer.
//
//	binding.go   one ACL: who, from where, may or may not do what to which resources; what is no ACL
//	filter.go    which ACLs a request means
//	index.go     all of them, so that a question costs some look-ups however many there are
//	acls.go      the live view of what is in etcd
//	audit.go     what is refused is counted and logged
//	change.go    create, delete and list, in etcd
//
// # The rules
//
//  1. Super users, and instances of the cluster, may do everything.
//  2. A DENY that fits forbids, whatever else there is. It fits the very operation that it names, or any (ALL).
//  3. An ALLOW that fits allows. One of READ, WRITE, DELETE or ALTER allows DESCRIBE too, and ALTER_CONFIGS allows DESCRIBE_CONFIGS.
//  4. Else it is forbidden. Where there is no ACL at all for a resource, AllowEveryone decides.
//
// An ACL fits a resource by its exact name, by "*" or by a prefix; a principal by its exact name or User:*; a host by its exact address or "*".
//
// An ACL in etcd that cannot be read could be a DENY: while there is one, super users alone may do anything.
//
// Owns: the keys acls/…, and the answer to what may be done. Does not own: who asks (core/auth), which request needs what (core/wire, core/rest).
package acl

import "errors"

// Errors, asked for with errors.Is.
var (
	// ErrInvalid: what was given is no ACL, or no filter of ACLs.
	ErrInvalid = errors.New("invalid ACL")
	// ErrTooMany: there is no room for more.
	ErrTooMany = errors.New("too many ACLs")
	// ErrUnavailable: etcd cannot be reached or keeps changing below us; nothing happened.
	ErrUnavailable = errors.New("ACLs cannot be read or changed now: try again")
	// ErrUnknown: the change may have been made. To make it again is harmless.
	ErrUnknown = errors.New("outcome of the change of ACLs is unknown: do it again")
	// ErrNoCluster: etcd has none by this name.
	ErrNoCluster = errors.New("there is no such cluster in etcd: start a broker first")
)

// errUnreadable: a key below acls/ holds no ACL that this build can read.
var errUnreadable = errors.New("unreadable ACL")
