package topic

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/record"
)

// Spec is a topic to create.
type Spec struct {
	Name              string
	Partitions        int32 // -1: the cluster's default
	ReplicationFactor int16 // -1: the cluster's default
	Configs           map[string]string
}

// Create makes a topic; with validateOnly it only says whether it could.
//
// Each try commits under a fresh id. After an unknown outcome the key is read again: if it
// holds one of the ids drawn here, that try succeeded. The ids differ because an earlier try may
// still arrive late: had both the same id, a topic deleted in between would rise again under an
// id that the stream has seen deleted, and its records would be refused for ever.
func (a *Admin) Create(ctx context.Context, spec Spec, validateOnly bool) (*ledger.Topic, error) {
	t, err := a.plan(spec)
	if err != nil {
		return nil, err
	}
	var made *ledger.Topic
	mine := map[record.TopicID]bool{}
	err = repeat(ctx, func(ctx context.Context) (bool, error) {
		there, format, err := a.read(ctx, spec.Name)
		switch {
		case err != nil:
			return false, err
		case there != nil && mine[there.ID]:
			made = there
			return true, a.seen(ctx, there.Mod)
		case there != nil:
			return true, fmt.Errorf("%w: %q", ErrExists, spec.Name)
		}
		if validateOnly {
			made = t
			return true, nil
		}
		next := *t
		next.ID = a.newID()
		mine[next.ID] = true
		done, err := a.commit(ctx, format, spec.Name, 0, coordination.PutKey(a.keys.Topic(spec.Name), next.Encode()))
		if done {
			made = &next
		}
		return done, err
	})
	if err != nil {
		return nil, err
	}
	return made, nil
}

// plan checks a spec and fills in defaults. All that is wrong comes in one error.
func (a *Admin) plan(spec Spec) (*ledger.Topic, error) {
	if err := CheckName(spec.Name); err != nil {
		return nil, err
	}
	t := &ledger.Topic{Name: spec.Name, Partitions: spec.Partitions, ReplicationFactor: spec.ReplicationFactor, Configs: maps.Clone(spec.Configs)}
	for name, value := range t.Configs {
		t.Configs[name] = strings.TrimSpace(value)
	}
	if t.Partitions == -1 {
		t.Partitions = a.settings.Partitions
	}
	if t.ReplicationFactor == -1 {
		t.ReplicationFactor = a.settings.ReplicationFactor
	}
	if t.ReplicationFactor < 1 {
		return nil, fmt.Errorf("%w: %d; use 1 or more, or -1 for the default", ErrInvalidReplication, spec.ReplicationFactor)
	}
	err := errors.Join(a.checkPartitions(t.Partitions), CheckConfigs(t.Configs), checkCollision(spec.Name, a.view.AllTopics()))
	if err != nil {
		return nil, err
	}
	return t, nil
}

func (a *Admin) checkPartitions(n int32) error {
	switch {
	case n < 1:
		return fmt.Errorf("%w: %d; use 1 or more, or -1 for the default", ErrInvalidPartitions, n)
	case n > a.settings.PartitionsMax:
		return fmt.Errorf("%w: %d; a topic may have at most %d; use several topics, or raise the operator's limit",
			ErrInvalidPartitions, n, a.settings.PartitionsMax)
	}
	return nil
}
