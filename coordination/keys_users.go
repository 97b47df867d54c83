package coordination

import (
	"net/url"
	"strings"
)

// Users is the prefix of all users.
func (k Keys) Users() string { return k.root + "users/" }

// User holds the credentials of one user: salted, for each mechanism.
func (k Keys) User(name string) string { return k.Users() + url.PathEscape(name) }

// UserPepper holds a random value from which the salts of unknown users are made. It opens nothing.
func (k Keys) UserPepper() string { return k.root + "pepper" }

// Caller is there while a function may call instances with this public key, in hex.
func (k Keys) Caller(public string) string { return k.Instances() + "callers/" + public }

// ParseCaller gives the public key of a caller, in hex.
func (k Keys) ParseCaller(key string) (public string, ok bool) {
	public, ok = strings.CutPrefix(key, k.Instances()+"callers/")
	return public, ok && public != "" && !strings.Contains(public, "/")
}

// ParseUser gives the name of a key below Users.
func (k Keys) ParseUser(key string) (name string, ok bool) {
	escaped, ok := strings.CutPrefix(key, k.Users())
	if !ok {
		return "", false
	}
	name, err := url.PathUnescape(escaped)
	return name, err == nil && name != "" && k.User(name) == key
}
