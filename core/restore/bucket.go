package restore

import (
	"context"
	"fmt"
	"strings"

	"github.com/oklog/ulid/v2"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/backup"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/sweep"
	"github.com/firnlog/firnlog/objectstore"
)

const surveyPage = 1000

// bucket is what lies there, by name.
type bucket struct {
	objects  map[string]int64 // sizes; but for journals and parts of backups
	segments []ulid.ULID
	backups  []ulid.ULID
	highest  coordination.Mark // of all ids
}

// survey lists everything once. Names that are none of ours are passed over.
func survey(ctx context.Context, store objectstore.Store, progress func(string, int, int)) (*bucket, error) {
	b := &bucket{objects: map[string]int64{}}
	for after, n := "", 0; ; {
		list, err := store.List(ctx, "", after, surveyPage)
		if err != nil {
			return nil, fmt.Errorf("list the bucket: %w", err)
		}
		for _, o := range list {
			b.add(o)
		}
		n += len(list)
		progress("objects listed", n, 0)
		if len(list) < surveyPage {
			return b, nil
		}
		after = list[len(list)-1].Key
	}
}

func (b *bucket) add(o objectstore.Info) {
	id, err := ulid.ParseStrict(o.Key[strings.LastIndexByte(o.Key, '/')+1:])
	if err != nil {
		return
	}
	b.highest = max(b.highest, coordination.MarkOf(id))
	switch {
	case strings.HasPrefix(o.Key, backup.JournalPrefix), strings.HasPrefix(o.Key, backup.PartPrefix), strings.HasPrefix(o.Key, sweep.DocketPrefix):
	case o.Key == backup.RootKey(id):
		b.backups = append(b.backups, id)
	case o.Key == ledger.SegmentKey(id):
		b.segments = append(b.segments, id)
		fallthrough
	default:
		b.objects[o.Key] = o.Size
	}
}
