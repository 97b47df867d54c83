package fsck

import (
	"context"
	"fmt"

	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/manifest"
)

// examine checks one partition: what its head says, its manifest, the extents, and that every object is there. size gives that of an object.
func (r *run) examine(ctx context.Context, p *part, size func(key string) (int64, bool, error)) ([]Finding, error) {
	f := &found{where: p.name}
	p.head(f, r.now)
	x := &extents{found: f, start: p.state.LogStart()}
	var lastKey string
	span := func(s *ledger.Span) error {
		key := s.Key(p.tp)
		x.next(s.Base, s.End, what(s, key))
		if key == "" {
			return nil
		}
		r.report.Counts.References++
		n, ok, err := size(key)
		switch {
		case err != nil:
			return err
		case !ok && s.End > x.start && key != lastKey:
			f.add(Missing, "%s of offsets %d to %d", key, s.Base, s.End-1)
		case ok && n < s.Position+s.Length+tailMin && s.End > x.start:
			f.add(Short, "%s has %d bytes, offsets %d to %d are referred to as %d bytes at %d", key, n, s.Base, s.End-1, s.Length, s.Position)
		case ok && !s.Settled() && r.now.sizes[s.Segment] > 0 && n != r.now.sizes[s.Segment]:
			f.add(Short, "%s has %d bytes, its commit says %d", key, n, r.now.sizes[s.Segment])
		}
		lastKey = key
		return nil
	}
	err := p.manifest(ctx, r.archive, f, func(key string) error {
		r.report.Counts.Manifests++
		_, _, err := size(key) // one that is missing is found when it is read
		return err
	}, func(e *manifest.Entry) error { return span(&e.Span) })
	if err != nil {
		return nil, fmt.Errorf("manifest of %s: %w", p.name, err)
	}
	if m := p.state.Manifest(); m != nil && x.last < m.End {
		x.last, x.at = m.End, max(x.at, m.End) // it could not be read: said above
	}
	for i := range p.spans {
		if err := span(&p.spans[i]); err != nil {
			return nil, err
		}
	}
	x.done(p.state.Next())
	return f.all, nil
}

// tailMin is the least that follows the data of an object: its index.
const tailMin = 32

func what(s *ledger.Span, key string) string {
	if key == "" {
		return fmt.Sprintf("the marker at offset %d", s.Base)
	}
	return fmt.Sprintf("%s (offsets %d to %d)", key, s.Base, s.End-1)
}

// againMax is how often a partition is looked at whose references change all the time.
const againMax = 5

// lookAgain looks at partitions with findings in newer states of etcd, until their references are what they were: what maintenance
// has replaced meanwhile may be gone, and is no finding.
func (r *run) lookAgain(ctx context.Context) error {
	open := r.again
	r.again = nil
	for try := 0; len(open) > 0 && try < againMax; try++ {
		r.c.Progress("looking again", try, againMax)
		newer, err := r.c.snapshot(ctx, func(Finding) {}) // what does not decode was said
		if err != nil {
			r.again = append(r.again, open...)
			return err
		}
		r.now = newer
		var next []suspect
		for _, s := range open {
			p := newer.part(s.tp)
			switch {
			case p == nil: // deleted
			case p.digest == s.digest:
				r.again = append(r.again, s)
			default:
				r.report.Counts.Again++
				found, err := r.examine(ctx, p, func(key string) (int64, bool, error) { return sizeOf(ctx, r.c.Store, key) })
				if err != nil {
					return err
				}
				if len(found) > 0 {
					next = append(next, suspect{s.tp, p.digest, found})
				}
			}
		}
		open = next
	}
	r.again = append(r.again, open...)
	return nil
}
