package fsck

import (
	"context"
	"errors"
	"fmt"

	"github.com/oklog/ulid/v2"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/record"
)

// snapshot is the log as of one revision.
type snapshot struct {
	ledger   *ledger.Ledger
	revision coordination.Revision
	since    coordination.Mark   // ids at or below are of an earlier era
	sizes    map[ulid.ULID]int64 // of segments, as commits name them
	heads    map[record.TopicPartition]head
	commits  int
}

// head is what a ledger does not show of a head as it stands in etcd.
type head struct {
	mod   coordination.Revision
	start record.Offset
}

// snapshot reads the log at the newest revision, and folds it. What cannot be read is told to bad and left out.
func (c *Checker) snapshot(ctx context.Context, bad func(Finding)) (*snapshot, error) {
	for range 3 {
		s, err := c.snapshotOnce(ctx, bad)
		if !errors.Is(err, coordination.ErrCompacted) {
			return s, err
		}
	}
	return nil, fmt.Errorf("read the log: %w", ErrChanging)
}

func (c *Checker) snapshotOnce(ctx context.Context, bad func(Finding)) (*snapshot, error) {
	s := &snapshot{sizes: map[ulid.ULID]int64{}, heads: map[record.TopicPartition]head{}}
	loader := ledger.NewLoader(c.keys)
	var findings []Finding
	at, err := c.list(ctx, c.keys.Log(), 0, func(items []coordination.Item) error {
		for i := range items {
			if err := c.take(s, &items[i]); err != nil {
				findings = append(findings, finding(kindOf(err), items[i].Key, "%v", err))
				continue
			}
			if err := loader.Add(items[i : i+1]); err != nil {
				return fmt.Errorf("%s: %w", items[i].Key, err) // take has looked at it
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	s.revision = at
	if s.ledger, err = loader.Done(at, ledger.Observer{}); err != nil {
		return nil, fmt.Errorf("fold the log: %w", err)
	}
	for _, f := range findings {
		bad(f)
	}
	return s, nil
}

// errUnknownKey: a key below the log of no known family.
var errUnknownKey = errors.New("a key of no known kind")

func kindOf(err error) Kind {
	if errors.Is(err, errUnknownKey) {
		return UnknownKey
	}
	return Undecodable
}

// take looks at one key of the log.
func (c *Checker) take(s *snapshot, it *coordination.Item) error {
	key := c.keys.ParseLog(it.Key)
	switch key.Family {
	case coordination.FamilyFormat:
		f, err := ledger.DecodeFormat(it.Value)
		s.since = f.Since
		return err
	case coordination.FamilyStamp, coordination.FamilyFloor:
		_, err := coordination.ParseMark(it.Value)
		return err
	case coordination.FamilyTopic:
		_, err := ledger.DecodeTopic(key.Name, it.Value, it.Mod)
		return err
	case coordination.FamilyCommit:
		s.commits++
		if len(it.Value) == 0 {
			return nil
		}
		commit, err := ledger.DecodeCommit(it.Value)
		if err != nil {
			return err
		}
		for _, ref := range commit.Segments {
			s.sizes[ref.ID] = ref.Size
		}
		return nil
	case coordination.FamilyHead:
		h, err := ledger.DecodeHead(it.Value)
		if err == nil {
			s.heads[record.TopicPartition{Topic: key.Topic, Partition: key.Partition}] = head{it.Mod, h.LogStart}
		}
		return err
	}
	return errUnknownKey
}

// list pages through a prefix at one revision (0: the newest), and gives that revision.
func (c *Checker) list(ctx context.Context, prefix string, at coordination.Revision, fn func([]coordination.Item) error) (coordination.Revision, error) {
	r := coordination.Range{Prefix: prefix, Limit: page, At: at}
	for {
		got, err := c.KV.List(ctx, r)
		if err != nil {
			return 0, fmt.Errorf("list %s: %w", prefix, err)
		}
		if r.At == 0 {
			r.At = got.Revision
		}
		if err := fn(got.Items); err != nil {
			return 0, err
		}
		if !got.More {
			return r.At, nil
		}
		r.After = got.Items[len(got.Items)-1].Key
	}
}
