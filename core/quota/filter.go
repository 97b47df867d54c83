package quota

import "fmt"

// Match is how one side of an entity is looked for; the numbers are Kafka's.
type Match int8

// Matches.
const (
	MatchExact   Match = 0
	MatchDefault Match = 1
	MatchGiven   Match = 2 // a name or the default
)

// Component is what a filter asks of one side.
type Component struct {
	Type  string
	Match Match
	Name  *string // of MatchExact
}

// Filter means entities that fit all components; a strict one, only entities that have no other sides. Without components it means all, and none if strict.
type Filter struct {
	Components []Component
	Strict     bool
}

// Check says whether it is a filter.
func (f Filter) Check() error {
	seen := map[string]bool{}
	for _, c := range f.Components {
		switch {
		case c.Type == "":
			return fmt.Errorf("%w: a filter without a type", ErrInvalid)
		case c.Type != TypeUser && c.Type != TypeClient && c.Type != TypeIP:
			return fmt.Errorf("%w, not %q", ErrUnknownType, c.Type)
		case seen[c.Type]:
			return fmt.Errorf("%w: the filter names %s more than once", ErrInvalid, c.Type)
		case c.Match < MatchExact || c.Match > MatchGiven:
			return fmt.Errorf("%w: match type %d", ErrInvalid, c.Match)
		case (c.Match == MatchExact) != (c.Name != nil):
			return fmt.Errorf("%w: an exact match needs a name, and no other has one", ErrInvalid)
		}
		seen[c.Type] = true
	}
	if seen[TypeIP] && len(seen) > 1 {
		return fmt.Errorf("%w: ip goes with neither user nor client-id", ErrInvalid)
	}
	return nil
}

// Fits says whether the filter means an entity.
func (f Filter) Fits(e Entity) bool {
	sides := e.Sides()
	if f.Strict && len(sides) != len(f.Components) {
		return false
	}
	for _, c := range f.Components {
		side := sides[c.Type]
		switch c.Match {
		case MatchExact:
			if c.Name == nil || side != Named(*c.Name) {
				return false
			}
		case MatchDefault:
			if side != Any() {
				return false
			}
		case MatchGiven:
			if side.kind == absent {
				return false
			}
		}
	}
	return true
}
