package topic

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/ledger"
)

// Grow gives a topic count partitions; it never takes any away. Where a try of
// this call has gone before, a topic that has count partitions is success, whoever made them.
func (a *Admin) Grow(ctx context.Context, name string, count int32, validateOnly bool) (*ledger.Topic, error) {
	tried := false
	return a.alter(ctx, name, validateOnly, func(t *ledger.Topic) (bool, error) {
		if t.Partitions == count && tried {
			return false, nil
		}
		if count <= t.Partitions {
			return false, fmt.Errorf("%w: topic %q has %d and can only grow, not become %d", ErrInvalidPartitions, name, t.Partitions, count)
		}
		if err := a.checkPartitions(count); err != nil {
			return false, err
		}
		t.Partitions, tried = count, true
		return true, nil
	})
}

// Op is what a Change does to a config.
type Op int8

// The ops, in the order of Kafka's IncrementalAlterConfigs.
const (
	Set Op = iota
	Unset
	Append   // to a list; what is in it already is not added twice
	Subtract // from a list
)

// Change is one change of one config.
type Change struct {
	Key   string
	Op    Op
	Value string
}

// SetConfigs changes a topic's configs; replaceAll first forgets those that are set. Every change is
// idempotent, so that a repeat after an unknown outcome is harmless.
func (a *Admin) SetConfigs(ctx context.Context, name string, changes []Change, replaceAll, validateOnly bool) (*ledger.Topic, error) {
	return a.alter(ctx, name, validateOnly, func(t *ledger.Topic) (bool, error) {
		before := t.Configs
		if t.Configs == nil || replaceAll {
			t.Configs = map[string]string{}
		} else {
			t.Configs = maps.Clone(before)
		}
		for _, c := range changes {
			if err := apply(t.Configs, c); err != nil {
				return false, err
			}
		}
		// Only what is touched is checked: a value that an older version let in must not block others.
		for _, c := range changes {
			if v, ok := t.Configs[c.Key]; ok {
				if err := CheckConfigs(map[string]string{c.Key: v}); err != nil {
					return false, err
				}
			}
		}
		return !maps.Equal(before, t.Configs), checkTogether(t.Configs)
	})
}

func apply(configs map[string]string, c Change) error {
	def, ok := Lookup(c.Key)
	if !ok && c.Op == Unset {
		delete(configs, c.Key) // also one that an older version let in
		return nil
	}
	if !ok {
		return fmt.Errorf("%w: unknown config %q", ErrInvalidConfig, c.Key)
	}
	switch c.Op {
	case Set:
		configs[c.Key] = strings.TrimSpace(c.Value)
	case Unset:
		delete(configs, c.Key)
	case Append, Subtract:
		if def.Kind != List {
			return fmt.Errorf("%w: %s is not a list; append and subtract work on lists only", ErrInvalidConfig, c.Key)
		}
		old, ok := configs[c.Key]
		if !ok {
			old = def.Default
		}
		configs[c.Key] = strings.Join(combine(items(old), items(c.Value), c.Op), ",")
	default:
		return fmt.Errorf("%w: unknown operation %d on %s", ErrInvalidConfig, c.Op, c.Key)
	}
	return nil
}

func combine(old, change []string, op Op) []string {
	if op == Subtract {
		return slices.DeleteFunc(old, func(s string) bool { return slices.Contains(change, s) })
	}
	for _, s := range change {
		if !slices.Contains(old, s) {
			old = append(old, s)
		}
	}
	return old
}

// items takes a list value apart.
func items(v string) []string {
	var out []string
	for _, s := range strings.Split(v, ",") {
		if s = strings.TrimSpace(s); s != "" {
			out = append(out, s)
		}
	}
	return out
}

// alter reads the topic, lets edit change a copy, and commits it if edit says so.
func (a *Admin) alter(ctx context.Context, name string, validateOnly bool, edit func(*ledger.Topic) (changed bool, err error)) (*ledger.Topic, error) {
	if err := CheckName(name); err != nil {
		return nil, err
	}
	var result *ledger.Topic
	err := repeat(ctx, func(ctx context.Context) (bool, error) {
		there, format, err := a.read(ctx, name)
		if err != nil {
			return false, err
		}
		if there == nil {
			return true, fmt.Errorf("%w: %q", ErrUnknownTopic, name)
		}
		next := *there
		changed, err := edit(&next)
		if err != nil {
			return true, err
		}
		result = &next
		if !changed {
			return true, a.seen(ctx, there.Mod)
		}
		if validateOnly {
			return true, nil
		}
		return a.commit(ctx, format, name, there.Mod, coordination.PutKey(a.keys.Topic(name), next.Encode()))
	})
	if err != nil {
		return nil, err
	}
	return result, nil
}
