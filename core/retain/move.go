package retain

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/oklog/ulid/v2"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/record"
)

const (
	// headsMax are written in one transaction: with topics they stay below etcd's 128 operations.
	headsMax = 40
	// bytesMax keeps it below etcd's 1.5 MiB a request.
	bytesMax = 1 << 20
)

// move moves the log starts, headsMax in a transaction, and says how many of the first it has dealt with. One whose head or topic
// somebody else has just changed is left for the next step.
func (r *Retainer) move(ctx context.Context, format []byte, due []*partition) (moved int, err error) {
	for moved < len(due) {
		some := due[moved:min(moved+headsMax, len(due))]
		cuts := make([]record.Offset, len(some))
		for i, p := range some {
			if cuts[i], err = r.cut(ctx, p); err != nil {
				if ctx.Err() != nil {
					return moved, ctx.Err()
				}
				r.Log.Error("what has expired cannot be told", "topic", p.topic.Name, "partition", p.tp.Partition, "error", err)
			}
		}
		if err := r.write(ctx, format, some, cuts); err != nil {
			return moved, err
		}
		moved += len(some)
	}
	return moved, nil
}

// write puts heads with their log starts moved, as long as they and their topics are as they were read, and the format as it was when
// the cuts were made: in an etcd rebuilt meanwhile offsets may be of other records.
func (r *Retainer) write(ctx context.Context, format []byte, some []*partition, cuts []record.Offset) error {
	keys := []string{r.Keys.Format()}
	for _, p := range some {
		keys = append(keys, r.keyOf(p), r.Keys.Topic(p.topic.Name))
	}
	snap, err := r.KV.Get(ctx, keys...)
	if err != nil {
		return fmt.Errorf("read heads: %w", err)
	}
	if format == nil || !bytes.Equal(snap.Items[0].Value, format) {
		return fmt.Errorf("move log starts: %w", ledger.ErrEra)
	}
	var all []coordination.Guard
	var changes []coordination.Change
	seen, size := map[string]bool{}, 0
	for i, p := range some {
		head, topic := snap.Items[1+2*i], snap.Items[2+2*i]
		head.Key, topic.Key = r.keyOf(p), r.Keys.Topic(p.topic.Name)
		value, err := moved(p, head, topic, cuts[i])
		if err != nil {
			return err
		}
		if size += len(value); value == nil || size > bytesMax && len(changes) > 0 {
			continue
		}
		g := guards(head, topic)
		if seen[topic.Key] {
			g = g[:1]
		}
		seen[topic.Key] = true
		all, changes = append(all, g...), append(changes, coordination.PutKey(head.Key, value))
	}
	if len(changes) == 0 {
		return nil
	}
	res, err := r.KV.Commit(ctx, append(all, coordination.ValueIs(r.Keys.Format(), format)), changes)
	if errors.Is(err, coordination.ErrUnknown) {
		return nil // the next step sees what became of it
	}
	if err != nil {
		return fmt.Errorf("move %d log starts: %w", len(changes), err)
	}
	if !res.Committed {
		return nil
	}
	return r.Stream.WaitRevision(ctx, res.Revision)
}

// moved is a head with its log start at cut; nil when there is nothing to move, or when head or topic are not what the cut was
// made from.
func moved(p *partition, head, topic coordination.Item, cut record.Offset) ([]byte, error) {
	if head.Create == 0 || topic.Create == 0 || topic.Mod != p.topic.Mod {
		return nil, nil
	}
	h, err := ledger.DecodeHead(head.Value)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", head.Key, err)
	}
	if cut = min(cut, h.Next); cut <= h.LogStart || idOf(h.Manifest) != idOf(p.manifest) {
		return nil, nil
	}
	h.Truncate(cut)
	return h.Encode(), nil
}

func idOf(m *ledger.Manifest) ulid.ULID {
	if m == nil {
		return ulid.ULID{}
	}
	return m.ID
}
