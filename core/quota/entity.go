package quota

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
)

// Types of entities, in Kafka's words.
const (
	TypeUser   = "user"
	TypeClient = "client-id"
	TypeIP     = "ip"
)

// Part is one side of an entity: not there, the default (any), or a name.
type Part struct {
	kind partKind
	name string
}

type partKind uint8

const (
	absent partKind = iota
	byDefault
	named
)

// Any is the default of a type.
func Any() Part { return Part{kind: byDefault} }

// Named is one user, client id or address.
func Named(name string) Part { return Part{named, name} }

// PartOf reads a name as Kafka's protocol has it: null is the default.
func PartOf(name *string) Part {
	if name == nil {
		return Any()
	}
	return Named(*name)
}

// Name is null for the default, and given is false where the entity has no such side.
func (p Part) Name() (name *string, given bool) {
	if p.kind == named {
		return &p.name, true
	}
	return nil, p.kind == byDefault
}

// Entity is whom a quota is for: a user, a client id, both, or an address.
type Entity struct{ User, Client, IP Part }

// With gives the entity with one more side.
func (e Entity) With(kind string, p Part) (Entity, error) {
	side := map[string]*Part{TypeUser: &e.User, TypeClient: &e.Client, TypeIP: &e.IP}[kind]
	switch {
	case side == nil:
		return e, fmt.Errorf("%w, not %q", ErrUnknownType, kind)
	case side.kind != absent:
		return e, fmt.Errorf("%w: the entity has two of type %s", ErrInvalid, kind)
	}
	*side = p
	return e, nil
}

// Sides are those that are given, by their types.
func (e Entity) Sides() map[string]Part {
	out := map[string]Part{}
	for kind, p := range map[string]Part{TypeUser: e.User, TypeClient: e.Client, TypeIP: e.IP} {
		if p.kind != absent {
			out[kind] = p
		}
	}
	return out
}

// nameMax bounds what etcd keeps of one entity.
const nameMax = 4096

// Check says whether there can be a quota for it.
func (e Entity) Check() error {
	switch {
	case e == Entity{}:
		return fmt.Errorf("%w: it must be for a user, a client-id or an ip", ErrInvalid)
	case e.IP.kind != absent && (e.User.kind != absent || e.Client.kind != absent):
		return fmt.Errorf("%w: ip goes with neither user nor client-id", ErrInvalid)
	}
	for kind, p := range e.Sides() {
		if p.kind == named && (p.name == "" || len(p.name) > nameMax) {
			return fmt.Errorf("%w: a name of type %s has 1 to %d bytes", ErrInvalid, kind, nameMax)
		}
	}
	if e.IP.kind == named {
		if _, err := netip.ParseAddr(e.IP.name); err != nil {
			return fmt.Errorf("%w: %q is no address", ErrInvalid, e.IP.name)
		}
	}
	return nil
}

// stored is an entity with its limits, as etcd has it. A default is an empty name: there are no empty ones.
type stored struct {
	User   *string            `json:"user,omitempty"`
	Client *string            `json:"client-id,omitempty"`
	IP     *string            `json:"ip,omitempty"`
	Limits map[string]float64 `json:"limits"`
}

func (p Part) stored() *string {
	if p.kind == absent {
		return nil
	}
	return &p.name
}

func partOfStored(s *string) Part {
	switch {
	case s == nil:
		return Part{}
	case *s == "":
		return Any()
	}
	return Named(*s)
}

// id is the end of the key.
func (e Entity) id() string {
	text := fmt.Sprintf("%d%q%d%q%d%q", e.User.kind, e.User.name, e.Client.kind, e.Client.name, e.IP.kind, e.IP.name)
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:16])
}

func (q Quota) encode() ([]byte, error) {
	return json.Marshal(stored{q.User.stored(), q.Client.stored(), q.IP.stored(), q.Limits})
}

func decode(value []byte) (q Quota, err error) {
	var s stored
	if err := json.Unmarshal(value, &s); err != nil {
		return q, fmt.Errorf("read quota: %w", err)
	}
	q = Quota{Entity{partOfStored(s.User), partOfStored(s.Client), partOfStored(s.IP)}, s.Limits}
	if err := q.Check(); err != nil {
		return q, err
	}
	for key, v := range q.Limits {
		if err := q.checkLimit(key, v); err != nil {
			return q, err
		}
	}
	return q, nil
}

// compare orders entities as lists show them.
func compare(a, b Quota) int {
	side := func(x, y Part) int { return cmp.Or(cmp.Compare(x.kind, y.kind), strings.Compare(x.name, y.name)) }
	return cmp.Or(side(a.IP, b.IP), side(a.User, b.User), side(a.Client, b.Client))
}
