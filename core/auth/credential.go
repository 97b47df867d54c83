package auth

import (
	"bytes"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/json"
	"fmt"
	"hash"
	"io"
	"unicode"
	"unicode/utf8"
)

// Mechanisms by SASL's names.
const (
	Plain       = "PLAIN"
	ScramSHA256 = "SCRAM-SHA-256"
	ScramSHA512 = "SCRAM-SHA-512"
	OAuthBearer = "OAUTHBEARER"
	// Certificate is no SASL mechanism: the client's certificate said it (Kafka calls the protocol SSL).
	Certificate = "SSL"
	// IAM is no SASL mechanism: the platform verified it.
	IAM = "IAM"
	// Peer is how instances authenticate to each other; it is not listed to clients.
	Peer = "FIRNLOG-INSTANCE"
)

// Bounds of iteration counts, Kafka's. More would only let clients make work for us.
const (
	IterationsMin     = 4096
	IterationsMax     = 16384
	IterationsDefault = 4096 // what kafka-configs takes if it is not told
)

const (
	saltBytes   = 24
	nameLenMax  = 256
	saltLenMax  = 128
	passwordMax = 1024
)

// Credential is what is stored for one mechanism (RFC 5802, section 3).
type Credential struct {
	Salt       []byte `json:"salt"`
	StoredKey  []byte `json:"stored_key"`
	ServerKey  []byte `json:"server_key"`
	Iterations int    `json:"iterations"`
}

// stored is the value of users/<name>: JSON, so that an operator can read what is there.
type stored struct {
	Scram map[string]*Credential `json:"scram"`
}

func scramHash(mechanism string) func() hash.Hash {
	switch mechanism {
	case ScramSHA256:
		return sha256.New
	case ScramSHA512:
		return sha512.New
	}
	return nil
}

// IsScram says whether a mechanism has stored credentials.
func IsScram(mechanism string) bool { return scramHash(mechanism) != nil }

// NewCredential makes what is stored of a password, with a salt drawn from random.
func NewCredential(random io.Reader, mechanism, password string, iterations int) (*Credential, error) {
	if password == "" || len(password) > passwordMax {
		return nil, fmt.Errorf("%w: a password has 1 to %d bytes", ErrMalformed, passwordMax)
	}
	salt := make([]byte, saltBytes)
	if _, err := io.ReadFull(random, salt); err != nil {
		return nil, fmt.Errorf("draw salt: %w", err)
	}
	if err := checkDerivation(mechanism, salt, iterations); err != nil {
		return nil, err
	}
	return SaltedCredential(mechanism, salt, saltedPassword(mechanism, password, salt, iterations), iterations)
}

// SaltedCredential makes it of a password that a client has salted itself, as AlterUserScramCredentials sends it.
func SaltedCredential(mechanism string, salt, salted []byte, iterations int) (*Credential, error) {
	if err := checkDerivation(mechanism, salt, iterations); err != nil {
		return nil, err
	}
	if len(salted) != scramHash(mechanism)().Size() {
		return nil, fmt.Errorf("%w: a salted password of %s has %d bytes", ErrMalformed, mechanism, scramHash(mechanism)().Size())
	}
	c := &Credential{Salt: bytes.Clone(salt), Iterations: iterations}
	c.StoredKey, c.ServerKey = keysOf(mechanism, salted)
	return c, nil
}

func checkDerivation(mechanism string, salt []byte, iterations int) error {
	switch {
	case !IsScram(mechanism):
		return fmt.Errorf("%w: %q keeps no credentials", ErrMechanism, mechanism)
	case iterations < IterationsMin || iterations > IterationsMax:
		return ErrIterations
	case len(salt) == 0 || len(salt) > saltLenMax:
		return fmt.Errorf("%w: a salt has 1 to %d bytes", ErrMalformed, saltLenMax)
	}
	return nil
}

// saltedPassword is Hi() of RFC 5802: the slow part.
func saltedPassword(mechanism, password string, salt []byte, iterations int) []byte {
	h := scramHash(mechanism)
	out, err := pbkdf2.Key(h, password, salt, iterations, h().Size())
	if err != nil { // only FIPS rules about lengths that we keep
		panic(fmt.Sprintf("pbkdf2: %v", err))
	}
	return out
}

func keysOf(mechanism string, salted []byte) (storedKey, serverKey []byte) {
	h := scramHash(mechanism)
	mac := func(key []byte, text string) []byte {
		m := hmac.New(h, key)
		m.Write([]byte(text))
		return m.Sum(nil)
	}
	digest := h()
	digest.Write(mac(salted, "Client Key"))
	return digest.Sum(nil), mac(salted, "Server Key")
}

// matches derives a password's keys and compares in constant time.
func (c *Credential) matches(mechanism, password string) bool {
	storedKey, serverKey := keysOf(mechanism, saltedPassword(mechanism, password, c.Salt, c.Iterations))
	a, b := hmac.Equal(storedKey, c.StoredKey), hmac.Equal(serverKey, c.ServerKey)
	return a && b
}

func (c *Credential) equal(o *Credential) bool {
	return o != nil && c.Iterations == o.Iterations && bytes.Equal(c.Salt, o.Salt) && bytes.Equal(c.StoredKey, o.StoredKey) && bytes.Equal(c.ServerKey, o.ServerKey)
}

// CheckName refuses what cannot be a user's name.
func CheckName(name string) error {
	if name == "" || len(name) > nameLenMax || !utf8.ValidString(name) {
		return ErrInvalidUser
	}
	for _, r := range name {
		if unicode.IsControl(r) {
			return ErrInvalidUser
		}
	}
	return nil
}

func decodeUser(value []byte) (map[string]*Credential, error) {
	var s stored
	if err := json.Unmarshal(value, &s); err != nil {
		return nil, fmt.Errorf("decode user: %w", err)
	}
	for mechanism, c := range s.Scram {
		switch h := scramHash(mechanism); {
		case h == nil:
			delete(s.Scram, mechanism) // of a later version
		case c == nil || checkDerivation(mechanism, c.Salt, c.Iterations) != nil || len(c.StoredKey) != h().Size() || len(c.ServerKey) != h().Size():
			return nil, fmt.Errorf("decode user: credential for %s is damaged", mechanism)
		}
	}
	return s.Scram, nil
}
