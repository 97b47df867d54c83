package sweep

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/oklog/ulid/v2"

	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/record"
)

// foreign reads all manifests once and keeps what they name in the folders of other partitions: forks share objects.
// An error ends the round: whose objects an unreadable manifest names, nobody knows.
func (r *round) foreign(ctx context.Context) error {
	order := slices.SortedFunc(maps.Keys(r.refs.manifests), record.TopicPartition.Compare)
	for _, tp := range order {
		for _, m := range r.refs.manifests[tp] {
			err := r.named(ctx, tp, m, func(folder record.TopicPartition, id ulid.ULID) {
				if folder != tp {
					r.refs.in(folder, id)
				}
			})
			if err != nil {
				return fmt.Errorf("nothing settled is swept: %w", err)
			}
		}
	}
	return nil
}

// named gives everything that a manifest of partition tp names, itself included.
func (r *round) named(ctx context.Context, tp record.TopicPartition, m *ledger.Manifest, fn func(folder record.TopicPartition, id ulid.ULID)) error {
	give := func(key string) {
		if folder, id, ok := parse(key); ok {
			fn(folder, id)
		}
	}
	give(m.Key(tp))
	shelf, err := r.w.archive.Open(ctx, tp, m)
	if err != nil {
		return fmt.Errorf("manifest of %v/%d: %w", tp.Topic, tp.Partition, err)
	}
	for _, key := range shelf.Pages() {
		give(key)
	}
	for e, err := range shelf.Entries(ctx, -1) {
		if err != nil {
			return fmt.Errorf("manifest of %v/%d: %w", tp.Topic, tp.Partition, err)
		}
		give(e.Key(tp))
	}
	return nil
}

// folder is the partition's folder that a listing is in.
type folder struct {
	*round
	prefix string
	tp     record.TopicPartition
	open   bool
	used   map[ulid.ULID]struct{}
	blind  bool // what is used could not be read
}

// judge gives those of a page of keys that go.
func (f *folder) judge(ctx context.Context, keys []string) (doomed []string) {
	for _, key := range keys {
		if strings.HasPrefix(key, ledger.SharedPrefix) {
			continue // heads alone refer to these: Sweep goes over them
		}
		tp, id, ok := parse(key)
		if !ok {
			f.w.Log.Warn("object with a foreign name left alone", "key", key)
			continue
		}
		if tp != f.tp || !f.open {
			f.enter(ctx, tp)
		}
		if _, used := f.used[id]; !f.blind && f.round.judge(&f.w.mu.settled, id, used) {
			doomed = append(doomed, key)
		}
	}
	return doomed
}

// enter reads what is used in the next folder.
func (f *folder) enter(ctx context.Context, tp record.TopicPartition) {
	f.tp, f.open, f.blind, f.used = tp, true, false, map[ulid.ULID]struct{}{}
	for id := range f.refs.folders[tp] {
		f.used[id] = struct{}{}
	}
	for _, m := range f.refs.manifests[tp] {
		err := f.named(ctx, tp, m, func(folder record.TopicPartition, id ulid.ULID) {
			if folder == tp {
				f.used[id] = struct{}{}
			}
		})
		if err != nil {
			f.blind = true
			f.w.Log.Error("a partition's folder is not swept: its manifest cannot be read; run fsck", "partition", tp, "error", err)
		}
	}
}

// parse takes the key of an object in a partition's folder apart: prefix, topic, partition, id.
func parse(key string) (tp record.TopicPartition, id ulid.ULID, ok bool) {
	parts := strings.Split(key, "/")
	if len(parts) != 4 || tp.Topic.UnmarshalText([]byte(parts[1])) != nil {
		return tp, id, false
	}
	n, err := strconv.ParseInt(parts[2], 10, 32)
	id, err2 := ulid.ParseStrict(parts[3])
	if err != nil || err2 != nil || n < 0 {
		return tp, id, false
	}
	tp.Partition = int32(n)
	prefix := parts[0] + "/"
	return tp, id, ledger.Folder(prefix, tp)+id.String() == key
}
