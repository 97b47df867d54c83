package auth

import (
	"bytes"
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/firnlog/firnlog/coordination"
)

// shape is what most credentials look like: those of unknown users look so, and cost as much.
type shape struct {
	mechanism  string // that passwords are checked against
	iterations map[string]int
}

func usualOf(byName map[string]map[string]*Credential) shape {
	s := shape{mechanism: ScramSHA512, iterations: map[string]int{ScramSHA256: IterationsDefault, ScramSHA512: IterationsDefault}}
	preferred := map[string]int{}
	counts := map[string]map[int]int{ScramSHA256: {}, ScramSHA512: {}}
	for _, scram := range byName {
		if m, c := preferredOf(scram); c != nil {
			preferred[m]++
		}
		for m, c := range scram {
			counts[m][c.Iterations]++
		}
	}
	if preferred[ScramSHA256] > preferred[ScramSHA512] {
		s.mechanism = ScramSHA256
	}
	for m, by := range counts {
		most := slices.MaxFunc(append(slices.Sorted(maps.Keys(by)), 0), func(a, b int) int { return cmp.Compare(by[a], by[b]) })
		if by[most] > 0 {
			s.iterations[m] = most
		}
	}
	return s
}

// preferredOf is the credential that passwords are checked against.
func preferredOf(scram map[string]*Credential) (string, *Credential) {
	if c := scram[ScramSHA512]; c != nil {
		return ScramSHA512, c
	}
	return ScramSHA256, scram[ScramSHA256]
}

// proof remembers a password that was right, as a hash with a key of this process: requests over HTTP bring it each time.
type proof struct {
	mechanism  string
	credential *Credential
	mac        [sha512.Size]byte
}

// lookup gives a user's credential for a mechanism, or a made-up one that fits no password: always the same for the same name, on every
// instance, since its salt comes from a random value that is stored once.
func (u *Users) lookup(name, mechanism string) (c *Credential, found bool, err error) {
	u.mu.RLock()
	defer u.mu.RUnlock()
	if !u.mu.known {
		return nil, false, ErrNotNow
	}
	fake := u.fake(name, mechanism)
	if c := u.mu.byName[name][mechanism]; c != nil {
		return c, true, nil
	}
	return fake, false, nil
}

// fake needs the lock. Its keys are drawn from the same place as its salt; no password is known that has them.
func (u *Users) fake(name, mechanism string) *Credential {
	draw := func(what string) []byte {
		m := hmac.New(sha512.New, u.mu.pepper)
		fmt.Fprintf(m, "%s\x00%s\x00%s", what, mechanism, name)
		return m.Sum(nil)
	}
	size := scramHash(mechanism)().Size()
	return &Credential{Salt: draw("salt")[:saltBytes], StoredKey: draw("stored")[:size], ServerKey: draw("server")[:size], Iterations: u.mu.usual.iterations[mechanism]}
}

// VerifyPassword checks a password as it is: PLAIN and Basic. It derives keys once whether the user exists or not, at most so many
// at a time as there are processors.
func (u *Users) VerifyPassword(ctx context.Context, name, password string) (*Identity, error) {
	if len(password) > passwordMax || len(name) > nameLenMax {
		return nil, ErrDenied
	}
	mechanism, c, found, proven := u.forPassword(name, password)
	if c == nil {
		return nil, ErrNotNow
	}
	id := &Identity{Principal: User(name), Mechanism: Plain, credential: c}
	if proven {
		return id, nil
	}
	if err := u.derivations.Acquire(ctx, 1); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotNow, err)
	}
	u.derived.Add(int64(c.Iterations))
	right := c.matches(mechanism, password)
	u.derivations.Release(1)
	if !right || !found || password == "" {
		return nil, ErrDenied
	}
	u.prove(name, password, mechanism, c)
	return id, nil
}

func (u *Users) forPassword(name, password string) (mechanism string, c *Credential, found, proven bool) {
	u.mu.RLock()
	defer u.mu.RUnlock()
	if !u.mu.known {
		return "", nil, false, false
	}
	fake := u.fake(name, u.mu.usual.mechanism)
	if mechanism, c = preferredOf(u.mu.byName[name]); c == nil {
		return u.mu.usual.mechanism, fake, false, false
	}
	p, ok := u.mu.proven[name]
	mac := u.proofOf(password, c)
	return mechanism, c, true, ok && p.credential.equal(c) && hmac.Equal(p.mac[:], mac[:])
}

// proofOf needs the lock. It is as good as the password for whoever reads this process's memory, where passwords pass anyway.
func (u *Users) proofOf(password string, c *Credential) (out [sha512.Size]byte) {
	m := hmac.New(sha512.New, slices.Concat(u.mu.pepper, c.Salt, c.ServerKey))
	m.Write([]byte(password))
	return [sha512.Size]byte(m.Sum(nil))
}

func (u *Users) prove(name, password, mechanism string, c *Credential) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.mu.proven[name] = proof{mechanism, c, u.proofOf(password, c)}
}

const (
	pepperBytes = sha256.Size
	pepperTries = 8
)

// ensurePepper gives the value that salts of unknown users are derived from; the first who asks makes it. It opens nothing: who
// knows it can tell unknown users from others.
func (u *Users) ensurePepper(ctx context.Context) ([]byte, error) {
	for range pepperTries {
		snap, err := u.KV.Get(ctx, u.Keys.Format(), u.Keys.UserPepper())
		if err != nil {
			return nil, fmt.Errorf("read users: %w", err)
		}
		format, pepper := snap.Items[0], snap.Items[1]
		if pepper.Create != 0 && len(pepper.Value) >= pepperBytes {
			return bytes.Clone(pepper.Value), nil
		}
		if format.Create == 0 {
			return nil, ErrNoCluster
		}
		fresh := make([]byte, pepperBytes)
		if _, err := io.ReadFull(u.Random, fresh); err != nil {
			return nil, fmt.Errorf("draw: %w", err)
		}
		guards := []coordination.Guard{coordination.ValueIs(u.Keys.Format(), format.Value), coordination.ModIs(u.Keys.UserPepper(), pepper.Mod)}
		_, err = u.KV.Commit(ctx, guards, []coordination.Change{coordination.PutKey(u.Keys.UserPepper(), fresh)})
		if err != nil && !errors.Is(err, coordination.ErrUnknown) && !errors.Is(err, coordination.ErrUnavailable) {
			return nil, fmt.Errorf("write %s: %w", u.Keys.UserPepper(), err)
		}
	}
	return nil, ErrUnavailable
}
