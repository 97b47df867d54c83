package topic

import (
	"context"
	"fmt"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/record"
)

// Delete removes a topic by name. Topic key and all its heads go in one transaction, so that no
// head outlives its topic. Objects are left to sweep.
//
// After an unknown outcome: the key is gone, or another topic has the name, is success.
func (a *Admin) Delete(ctx context.Context, name string) (*ledger.Topic, error) {
	if err := CheckName(name); err != nil {
		return nil, err
	}
	return a.delete(ctx, name, record.TopicID{}, fmt.Errorf("%w: %q", ErrUnknownTopic, name))
}

// DeleteID removes a topic by id. An unknown id is said behind a barrier only.
func (a *Admin) DeleteID(ctx context.Context, id record.TopicID) (*ledger.Topic, error) {
	unknown := fmt.Errorf("%w: %s", ErrUnknownID, id)
	t, ok := a.view.TopicByID(id)
	if !ok {
		if err := a.view.Barrier(ctx); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
		if t, ok = a.view.TopicByID(id); !ok {
			return nil, unknown
		}
	}
	return a.delete(ctx, t.Name, id, unknown)
}

// delete removes the topic name if its id is want (zero: whichever stands there first).
func (a *Admin) delete(ctx context.Context, name string, want record.TopicID, unknown error) (*ledger.Topic, error) {
	var gone *ledger.Topic // what an earlier try here may have deleted
	unsure := false
	err := repeat(ctx, func(ctx context.Context) (bool, error) {
		there, format, err := a.read(ctx, name)
		if err != nil {
			return false, err
		}
		if unsure && (there == nil || there.ID != gone.ID) {
			return true, a.barrier(ctx)
		}
		if there == nil || (want != record.TopicID{} && there.ID != want) {
			return true, unknown
		}
		gone = there
		done, err := a.commit(ctx, format, name, there.Mod, coordination.DeleteKey(a.keys.Topic(name)), coordination.DeletePrefix(a.keys.TopicHeads(there.ID)))
		unsure = unsure || err != nil && !done
		return done, err
	})
	if err != nil {
		return nil, err
	}
	return gone, nil
}

// barrier makes the view include a deletion whose revision is not known.
func (a *Admin) barrier(ctx context.Context) error {
	if err := a.view.Barrier(ctx); err != nil {
		return fmt.Errorf("%w: %w", ErrUnknown, err)
	}
	return nil
}
