package main

import (
	"context"
	"fmt"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/manifest"
	"github.com/firnlog/firnlog/core/segment"
)

func showSegment(ctx context.Context, src *source) (*sheet, error) {
	key, body, err := src.object(ctx, ledger.SegmentPrefix)
	if err != nil {
		return nil, err
	}
	s := &sheet{title: fmt.Sprintf("segment %s, %s", key, size(int64(len(body))))}
	x, err := segment.ReadIndex(body)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", key, err)
	}
	_, s.wrong = segment.Verify(body)
	t := table{columns: row("PARTITION", "POSITION", "BYTES", "BATCHES", "RECORDS", "NEWEST")}
	for _, r := range x.Runs {
		t.rows = append(t.rows, row(src.partition(r.TopicPartition), r.Position, r.Length, r.Batches, r.Records, when(r.MaxTimestamp)))
	}
	s.field("runs", "%d", len(x.Runs))
	s.tables, s.raw = []table{t}, x
	return s, nil
}

func showSettled(ctx context.Context, src *source) (*sheet, error) {
	key, body, err := src.object(ctx, ledger.SharedPrefix, ledger.SettledPrefix, ledger.ColdPrefix)
	if err != nil {
		return nil, err
	}
	s := &sheet{title: fmt.Sprintf("settled object %s, %s", key, size(int64(len(body))))}
	x, err := segment.ReadSettledIndex(body)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", key, err)
	}
	_, s.wrong = segment.VerifySettled(body)
	t := table{columns: row("PARTITION", "OFFSETS", "POSITION", "BYTES", "BATCHES", "RECORDS", "BLOCKS", "NEWEST")}
	for _, r := range x.Runs {
		t.rows = append(t.rows, row(src.partition(r.TopicPartition), span(int64(r.Base), int64(r.End)), r.Position, r.Length, r.Batches, r.Records, max(len(r.Blocks), 1), when(r.MaxTimestamp)))
	}
	s.field("runs", "%d", len(x.Runs))
	s.tables, s.raw = []table{t}, x
	return s, nil
}

// span is a range of offsets as people read it.
func span(base, end int64) string { return fmt.Sprintf("%d-%d", base, end-1) }

func showManifest(ctx context.Context, src *source) (*sheet, error) {
	key, body, err := src.object(ctx, ledger.ManifestPrefix)
	if err != nil {
		return nil, err
	}
	if entries, err := manifest.DecodePage(body); err == nil {
		s := &sheet{title: fmt.Sprintf("manifest page %s", key), raw: entries}
		s.field("entries", "%d", len(entries))
		s.tables = []table{entriesOf(entries)}
		return s, nil
	}
	root, err := manifest.Decode(body)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", key, err)
	}
	sums := root.Sums()
	s := &sheet{title: fmt.Sprintf("manifest root %s", key), raw: root}
	s.field("offsets", "%s", span(int64(sums.Base), int64(sums.End)))
	s.field("lists", "%s of %s, up to %s", plural(sums.Objects, "object", "objects"), size(sums.Bytes), when(sums.MaxTimestamp))
	s.field("log compaction", "clean below %d, under way through %d, done below %d", root.Compaction.Clean, root.Compaction.Through, root.Compaction.Done)
	s.field("aborted transactions", "%d that span several spills", len(root.Aborted))
	pages := table{columns: row("PAGE", "OFFSETS", "OBJECTS", "BYTES", "NEWEST")}
	for _, p := range root.Pages {
		pages.rows = append(pages.rows, row(p.ID, span(int64(p.Base), int64(p.End)), p.Objects, p.Bytes, when(p.MaxTimestamp)))
	}
	s.tables = []table{pages, entriesOf(root.Entries)}
	return s, nil
}

func entriesOf(entries []manifest.Entry) table {
	t := table{columns: row("OBJECT", "IN", "TIER", "OFFSETS", "POSITION", "BYTES", "BLOCKS", "ABORTED", "NEWEST")}
	for _, e := range entries {
		t.rows = append(t.rows, row(e.Segment, placeName(e.Place), e.Tier, span(int64(e.Base), int64(e.End)), e.Position, e.Length, max(len(e.Blocks), 1), len(e.Aborted), when(e.MaxTimestamp)))
	}
	return t
}

func placeName(p ledger.Place) string {
	switch p {
	case ledger.InShared:
		return "shared"
	case ledger.InOwn:
		return "own"
	case ledger.InCold:
		return "cold"
	}
	return "segment"
}

// idTime is when an id was drawn.
func idTime(id ulid.ULID) string { return ulid.Time(id.Time()).UTC().Format(time.RFC3339) }
