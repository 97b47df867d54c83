package coordination

import (
	"fmt"
	"slices"
	"strings"
)

// Limits of one Commit, those of etcd as it comes. Every implementation refuses what is above
// them before anything is sent, so that the model refuses exactly what the real store does.
const (
	// OperationsMax bounds each of guards, changes and keys read.
	OperationsMax = 128
	// CommitBytesMax bounds CommitBytes.
	CommitBytesMax = 1536 << 10
	// operationBytes is more than etcd's encoding adds to the keys and values of one operation.
	operationBytes = 32
)

// CommitBytes is the size of a Commit in bytes, a little more than its encoding takes.
func CommitBytes(guards []Guard, changes []Change, orElse []string) int {
	n := operationBytes * (4 + len(guards) + len(changes) + len(orElse))
	for _, g := range guards {
		n += len(g.Key) + len(g.Val)
	}
	for _, c := range changes {
		n += len(c.Key) + len(c.Value)
		if c.Prefix {
			n += len(c.Key) // the end of the range
		}
	}
	for _, k := range orElse {
		n += len(k)
	}
	return n
}

// CheckCommit says what is wrong with a Commit whatever the store holds: ErrTooLarge or
// ErrInvalid.
func CheckCommit(guards []Guard, changes []Change, orElse []string) error {
	if n := max(len(guards), len(changes), len(orElse)); n > OperationsMax {
		return fmt.Errorf("check commit of %d operations: %w: at most %d", n, ErrTooLarge, OperationsMax)
	}
	if n := CommitBytes(guards, changes, orElse); n > CommitBytesMax {
		return fmt.Errorf("check commit of %d bytes: %w: at most %d", n, ErrTooLarge, CommitBytesMax)
	}
	for _, g := range guards {
		if g.Key == "" {
			return fmt.Errorf("check commit: %w: a guard without a key", ErrInvalid)
		}
	}
	for _, k := range orElse {
		if k == "" {
			return fmt.Errorf("check commit: %w: an empty key to read", ErrInvalid)
		}
	}
	return checkChanges(changes)
}

// CheckRead says what is wrong with a Read whatever the store holds: ErrTooLarge or ErrInvalid.
func CheckRead(ranges []Range) error {
	if len(ranges) > OperationsMax {
		return fmt.Errorf("check read of %d ranges: %w: at most %d", len(ranges), ErrTooLarge, OperationsMax)
	}
	if len(ranges) == 0 {
		return fmt.Errorf("check read: %w: it asks for nothing", ErrInvalid)
	}
	for _, r := range ranges {
		if r.At != ranges[0].At {
			return fmt.Errorf("check read: %w: revisions %d and %d", ErrInvalid, ranges[0].At, r.At)
		}
	}
	return nil
}

func checkChanges(changes []Change) error {
	for _, c := range changes {
		switch {
		case c.Key == "":
			return fmt.Errorf("check commit: %w: a change without a key", ErrInvalid)
		case c.Prefix && c.Value != nil:
			return fmt.Errorf("check commit: %w: a put to the prefix %q", ErrInvalid, c.Key)
		}
	}
	if len(changes) < 2 {
		return nil
	}
	// In byte order all keys below a prefix follow it directly.
	sorted := slices.SortedFunc(slices.Values(changes), func(a, b Change) int { return strings.Compare(a.Key, b.Key) })
	below := -1
	for i, c := range sorted[1:] {
		before := sorted[i]
		if before.Prefix && below < 0 {
			below = i
		}
		if below >= 0 && !strings.HasPrefix(c.Key, sorted[below].Key) {
			below = -1
		}
		if before.Key == c.Key || below >= 0 {
			return fmt.Errorf("check commit: %w: two changes of %q", ErrInvalid, c.Key)
		}
	}
	return nil
}
