package objectstore

import (
	"errors"
	"fmt"
	"strings"
)

// Limits of keys. They are the smallest of S3 and the usual file systems.
const (
	KeyBytesMax       = 1024
	ComponentBytesMax = 255
	ListLimitMax      = 1000
)

// CheckKey refuses what not every driver can keep: a key is 1..1024 bytes of
// printable ASCII, its components 1..255 bytes that do not begin with a dot.
// That leaves no way out of a driver's folder or prefix, and the names with a
// leading dot to the drivers themselves.
func CheckKey(key string) error {
	if key == "" {
		return errors.New("empty key")
	}
	if err := checkBytes(key); err != nil {
		return err
	}
	for component := range strings.SplitSeq(key, "/") {
		if component == "" {
			return fmt.Errorf("key %q: empty component", key)
		}
		if err := checkComponent(key, component); err != nil {
			return err
		}
	}
	return nil
}

// CheckList refuses a prefix with which no key can begin, and a limit outside
// 1..1000.
func CheckList(prefix string, limit int) error {
	if limit < 1 || limit > ListLimitMax {
		return fmt.Errorf("list limit %d: want 1..%d", limit, ListLimitMax)
	}
	if err := checkBytes(prefix); err != nil {
		return err
	}
	components := strings.Split(prefix, "/")
	for i, component := range components {
		// The last one is only begun: it may still be empty.
		if component == "" && i < len(components)-1 {
			return fmt.Errorf("prefix %q: empty component", prefix)
		}
		if err := checkComponent(prefix, component); err != nil {
			return err
		}
	}
	return nil
}

func checkBytes(key string) error {
	if len(key) > KeyBytesMax {
		return fmt.Errorf("key of %d bytes: at most %d", len(key), KeyBytesMax)
	}
	for i := range len(key) {
		if key[i] < ' ' || key[i] > '~' || key[i] == '\\' {
			return fmt.Errorf("key %q: byte %#x is not allowed", key, key[i])
		}
	}
	return nil
}

func checkComponent(key, component string) error {
	if len(component) > ComponentBytesMax {
		return fmt.Errorf("key %q: component of %d bytes: at most %d", key, len(component), ComponentBytesMax)
	}
	if strings.HasPrefix(component, ".") {
		return fmt.Errorf("key %q: component begins with a dot", key)
	}
	return nil
}
