package fsck

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/firnlog/firnlog/core/archive"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/manifest"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/topic"
)

// look is what a ledger says of a partition's references, to keep beyond the hold on the ledger.
type look struct {
	tp       record.TopicPartition
	exists   bool
	name     string
	strict   bool
	start    record.Offset
	manifest *ledger.Manifest
	spans    []ledger.Span
	aborted  []ledger.Aborted
}

func lookAt(l *ledger.Ledger, tp record.TopicPartition) *look {
	t, ok := l.TopicByID(tp.Topic)
	if !ok || !l.Has(tp) {
		return &look{tp: tp}
	}
	p := l.Partition(tp)
	return &look{tp: tp, exists: true, name: fmt.Sprintf("%s/%d", t.Name, tp.Partition), strict: !topic.IsCompacted(t), start: p.LogStart(),
		manifest: p.Manifest(), spans: slices.Concat(p.Stored(), p.Fresh()), aborted: slices.Clone(p.AbortedListed())}
}

func (l *look) stretch(s *ledger.Span) stretch {
	return stretch{Span: *s, tp: l.tp, name: l.name, aborted: l.aborted, strict: l.strict, start: l.start}
}

// compacted says that log compaction has been at an entry, whatever the topic's configs say now: aborted transactions that end there are
// no longer listed, and their markers may still be there.
func compacted(c manifest.Compaction, e *manifest.Entry) bool { return e.Base < max(c.Clean, c.Done) }

// each gives what the partition refers to from an offset on and may still be read, by manifest and head; no markers.
func (l *look) each(ctx context.Context, a *archive.Archive, from record.Offset, fn func(*stretch) error) error {
	from = max(from, l.start)
	if l.manifest != nil && l.manifest.End > from {
		shelf, err := a.Open(ctx, l.tp, l.manifest)
		if err != nil {
			return err
		}
		for e, err := range shelf.Entries(ctx, from) {
			if err != nil {
				return err
			}
			s := l.stretch(&e.Span)
			s.rewritten = shelf.Compaction() != manifest.Compaction{}
			s.strict = s.strict && !compacted(shelf.Compaction(), &e)
			s.blocks, s.aborted = e.Blocks, slices.Concat(e.Aborted, shelf.Root().Aborted)
			if err := fn(&s); err != nil {
				return err
			}
		}
	}
	for i := range l.spans {
		if s := &l.spans[i]; s.Inline == nil && s.End > from {
			s := l.stretch(s)
			if err := fn(&s); err != nil {
				return err
			}
		}
	}
	return nil
}

var errNamed = errors.New("named")

// names says whether the partition refers to a stretch and may still read it.
func (l *look) names(ctx context.Context, a *archive.Archive, s *stretch) (bool, error) {
	if !l.exists || s.End <= l.start {
		return false, nil
	}
	same := func(o *ledger.Span) bool {
		return o.Inline == nil && o.Key(l.tp) == s.Key(s.tp) && o.Position == s.Position && o.Length == s.Length && o.Base == s.Base && o.End == s.End
	}
	if slices.ContainsFunc(l.spans, func(o ledger.Span) bool { return same(&o) }) {
		return true, nil
	}
	err := l.each(ctx, a, s.Base, func(o *stretch) error {
		if same(&o.Span) {
			return errNamed
		}
		if o.Base > s.Base {
			return errPassed
		}
		return nil
	})
	switch {
	case errors.Is(err, errNamed):
		return true, nil
	case errors.Is(err, errPassed), isDamage(err):
		return false, nil
	}
	return false, err
}

var errPassed = errors.New("passed")
