// Package quota says how much a client may do: Kafka's client quotas.
//
//	entity.go    whom a quota is for
//	values.go    what is limited, and which limits there can be
//	filter.go    which quotas a request means
//	limits.go    which limit counts for a client (pure)
//	bucket.go    what clients have used of theirs
//	quotas.go    the live view of what is in etcd
//	change.go    set, remove and list, in etcd
//
// # The rules
//
// For each kind of limit the first of these counts that has one, as in Kafka; who comes under one shares it with all who come under the same:
//
//	user and client id          this user with this client id
//	user and any client id      each client id of this user by itself
//	user                        all that this user does
//	any user and client id      each user with this client id by itself
//	any user, any client id     each user and client id by itself
//	any user                    each user by itself
//	client id                   all clients that say they are it
//	any client id               each client id by itself
//
// A limit is a rate a second, kept by a bucket that holds one second of it. What a client does is never refused for it: its bucket goes below
// zero, and it has to wait until that is paid. The rates are those of one instance, as in Kafka of one broker: a client that uses three
// instances has three times as much.
//
// Owns: the keys quotas/…, and what has been used. Does not own: how a client is made to wait (core/wire, core/rest).
package quota

import "errors"

// Errors, asked for with errors.Is.
var (
	// ErrInvalid: what was given is no quota, or no filter of quotas.
	ErrInvalid = errors.New("invalid quota")
	// ErrUnknownType: there are no quotas for entities of this type.
	ErrUnknownType = errors.New("unknown type of entity: quotas are for user, client-id and ip")
	// ErrTooMany: there is no room for more.
	ErrTooMany = errors.New("too many quotas")
	// ErrUnavailable: etcd cannot be reached or keeps changing below us; nothing happened.
	ErrUnavailable = errors.New("quotas cannot be read or changed now: try again")
	// ErrUnknown: the change may have been made. To make it again is harmless.
	ErrUnknown = errors.New("outcome of the change of quotas is unknown: do it again")
	// ErrNoCluster: etcd has none by this name.
	ErrNoCluster = errors.New("there is no such cluster in etcd: start a broker first")
)
