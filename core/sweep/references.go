package sweep

import (
	"context"
	"fmt"

	"github.com/oklog/ulid/v2"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/record"
)

// references are what commits and heads name, as of one revision. They take about as much memory as the heads do in a ledger;
// what manifests name is read when its folder is looked at.
type references struct {
	segments, shared map[ulid.ULID]struct{}
	folders          map[record.TopicPartition]map[ulid.ULID]struct{} // objects in the folders of a partition, whoever names them
	manifests        map[record.TopicPartition][]*ledger.Manifest     // whose partition refers to them: of its head, and of backups
}

// references reads every object that a commit or a head names, at one revision.
func (w *Sweeper) references(ctx context.Context) (*references, error) {
	r := &references{segments: map[ulid.ULID]struct{}{}, shared: map[ulid.ULID]struct{}{},
		folders: map[record.TopicPartition]map[ulid.ULID]struct{}{}, manifests: map[record.TopicPartition][]*ledger.Manifest{}}
	at := coordination.Revision(0)
	for _, prefix := range []string{w.Keys.Commits(), w.Keys.Heads()} {
		from := coordination.Range{Prefix: prefix, Limit: page, At: at}
		for {
			page, err := w.KV.List(ctx, from)
			if err != nil {
				return nil, fmt.Errorf("read references: %w", err)
			}
			if at == 0 {
				at = page.Revision
			}
			from.At = at
			for _, it := range page.Items {
				if err := w.refer(r, it); err != nil {
					return nil, err
				}
			}
			if !page.More {
				break
			}
			from.After = page.Items[len(page.Items)-1].Key
		}
	}
	if w.Retained != nil {
		if err := w.Retained(ctx, func(it coordination.Item) error { return w.refer(r, it) }); err != nil {
			return nil, fmt.Errorf("read references of backups: %w", err)
		}
	}
	return r, nil
}

func (w *Sweeper) refer(r *references, it coordination.Item) error {
	if len(it.Value) == 0 {
		return nil // an emptied commit: heads name what it brought
	}
	key := w.Keys.ParseLog(it.Key)
	if key.Family == coordination.FamilyCommit {
		c, err := ledger.DecodeCommit(it.Value)
		if err != nil {
			return fmt.Errorf("%s: %w", it.Key, err)
		}
		for _, s := range c.Segments {
			r.segments[s.ID] = struct{}{}
		}
		return nil
	}
	h, err := ledger.DecodeHead(it.Value)
	if err != nil {
		return fmt.Errorf("%s: %w", it.Key, err)
	}
	tp := record.TopicPartition{Topic: key.Topic, Partition: key.Partition}
	for i := range h.Spans {
		r.span(tp, &h.Spans[i])
	}
	if h.Manifest != nil {
		r.manifest(tp, h.Manifest)
	}
	return nil
}

// span counts a reference of partition tp.
func (r *references) span(tp record.TopicPartition, s *ledger.Span) {
	switch {
	case s.Inline != nil:
	case s.Place == ledger.InSegment:
		r.segments[s.Segment] = struct{}{}
	case s.Place == ledger.InShared:
		r.shared[s.Segment] = struct{}{}
	case s.Owner != record.TopicPartition{}:
		r.in(s.Owner, s.Segment)
	default:
		r.in(tp, s.Segment)
	}
}

// in counts an object in the folders of a partition.
func (r *references) in(folder record.TopicPartition, id ulid.ULID) {
	if r.folders[folder] == nil {
		r.folders[folder] = map[ulid.ULID]struct{}{}
	}
	r.folders[folder][id] = struct{}{}
}

func (r *references) manifest(tp record.TopicPartition, m *ledger.Manifest) {
	for _, known := range r.manifests[tp] {
		if known.ID == m.ID {
			return
		}
	}
	r.manifests[tp] = append(r.manifests[tp], m)
}
