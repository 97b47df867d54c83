// Package auth says who is there: users and their credentials, the SASL mechanisms, bearer tokens, client certificates, TLS, and the
// keys by which instances know each other.
//
//	principal.go, authorize.go   who asks, and the one question that may be asked about it
//	credential.go, users.go      what is stored of a user, who changes it, and the live view of it
//	sasl.go                      an exchange: PLAIN (plain.go), SCRAM (scram.go), OAUTHBEARER (oauthbearer.go), instances (peer.go)
//	token.go, keyset.go          JSON Web Tokens, and the keys they are signed with
//	certificate.go, tls.go       principals of client certificates; certificates that are read anew when their files change
//	http.go                      Basic and Bearer
//
// # What holds
//
//   - No password is stored, sent or logged, nor anything it could be found from without trying passwords: of each there is a salt, an
//     iteration count and two keys for each mechanism (RFC 5802).
//   - A user that does not exist costs the same work and gets the same messages as one whose password is wrong.
//   - What is known here of users is as of the last change that came by the watch: no request before authentication reaches etcd.
//     (A function, which cannot watch, reads users when a password comes and its view is some seconds old.)
//   - A session lives as long as the credential it was opened with.
//
// Owns: identities. Does not own: what they may do (an Authorizer), connections and frames (core/wire, core/rest).
package auth

import "errors"

// Errors, asked for with errors.Is. What a client is told is no more than these say.
var (
	// ErrDenied: the credentials are wrong, whatever of them is.
	ErrDenied = errors.New("invalid credentials")
	// ErrMalformed: what was sent is no message of the mechanism.
	ErrMalformed = errors.New("malformed authentication message")
	// ErrMechanism: there is no such mechanism here.
	ErrMechanism = errors.New("mechanism not enabled")
	// ErrNotNow: nobody can say now.
	ErrNotNow = errors.New("authentication is not available now")

	// ErrUnknownUser: the user, or its credential for that mechanism, is not there.
	ErrUnknownUser = errors.New("no such user or credential")
	// ErrInvalidUser: a name that cannot be one.
	ErrInvalidUser = errors.New("invalid user name: want 1 to 256 characters of UTF-8 without control characters")
	// ErrIterations: too few or too many.
	ErrIterations = errors.New("iterations out of range: want 4096 to 16384")
	// ErrUnavailable: etcd cannot be reached or keeps changing below us; nothing happened.
	ErrUnavailable = errors.New("users cannot be changed now: try again")
	// ErrUnknown: the change may have been made; ask before trying again.
	ErrUnknown = errors.New("outcome of the change of a user is unknown")
	// ErrNoCluster: etcd has none by this name.
	ErrNoCluster = errors.New("there is no such cluster in etcd: start a broker first")
)
