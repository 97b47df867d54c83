package topic

import (
	"fmt"
	"strings"

	"github.com/firnlog/firnlog/core/ledger"
)

const nameBytesMax = 249

// CheckName applies Kafka's rules of topic names: [a-zA-Z0-9._-]{1,249}, not "." nor "..".
func CheckName(name string) error {
	switch {
	case name == "":
		return fmt.Errorf("%w: the name is empty", ErrInvalidName)
	case name == "." || name == "..":
		return fmt.Errorf("%w: %q is reserved", ErrInvalidName, name)
	case len(name) > nameBytesMax:
		return fmt.Errorf("%w: %d characters, at most %d are allowed", ErrInvalidName, len(name), nameBytesMax)
	}
	for i := range len(name) {
		if !nameByte(name[i]) {
			return fmt.Errorf("%w: %q contains a character other than ASCII letters and digits, '.', '_' and '-'", ErrInvalidName, name)
		}
	}
	return nil
}

func nameByte(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '.' || c == '_' || c == '-'
}

// CheckNew says whether a topic of this name could be made beside others.
func CheckNew(name string, topics []*ledger.Topic) error {
	if err := CheckName(name); err != nil {
		return err
	}
	return checkCollision(name, topics)
}

// checkCollision refuses a name that differs from another topic's only in '.' against
// '_': metric names merge the two. Two such topics created at the same moment are not noticed, as in
// Kafka; nothing but metric names suffers.
func checkCollision(name string, topics []*ledger.Topic) error {
	if !strings.ContainsAny(name, "._") {
		return nil
	}
	flat := strings.ReplaceAll(name, ".", "_")
	for _, t := range topics {
		if t.Name != name && strings.ReplaceAll(t.Name, ".", "_") == flat {
			return fmt.Errorf("%w: %q collides with topic %q, since '.' and '_' are the same in metric names", ErrInvalidName, name, t.Name)
		}
	}
	return nil
}
