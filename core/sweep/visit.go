package sweep

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/firnlog/firnlog/core/ledger"
)

// A visit is a part of a round, made by who may remember nothing between two of them:
//
//  1. The dockets of earlier visits: what was found unreferenced, and whether a grace has passed since (docket.go).
//  2. The floor, then the references, as in every round.
//  3. The list of objects, from where the visit before came to, until it is through or time is over. What is unreferenced goes if it is
//     in a docket whose grace was over in step 1; what is in none is written to one.
//  4. Through with all: dockets whose grace was over when the round began are deleted. What they list is gone, or is referred to.
//
// Invariants:
//   - What goes was found unreferenced by two readings of references, a grace apart: step 1 asks for its end before step 2 reads, and
//     docket.go lets it begin after the first reading. What may be referred to anew, above the floor, is in no docket.
//   - A list that goes on where it was left passes over late puts before that place: the next round finds them.
//   - Two visits at once write an object into two dockets, and delete it twice. Who has read a docket need not find it again.
//   - A visit that ends anywhere leaves dockets that are true.

// Kind is what a round goes over.
type Kind string

// Recent are segments and shared objects, Settled the folders of partitions.
const (
	Recent  Kind = "recent"
	Settled Kind = "settled"
)

func (k Kind) prefix() string { return DocketPrefix + string(k) + "/" }

// prefixes are listed one after the other.
func (k Kind) prefixes() []string {
	if k == Recent {
		return []string{ledger.SegmentPrefix, ledger.SharedPrefix}
	}
	return []string{ledger.SettledPrefix, ledger.ColdPrefix, ledger.ManifestPrefix}
}

// Progress is where a round goes on. The zero value begins one. It is kept between visits; losing it begins the round anew.
type Progress struct {
	After string      `json:"after"` // the last key that was looked at
	Over  []ulid.ULID `json:"over"`  // dockets whose grace was over when the round began
	Era   string      `json:"era"`
}

// visit is what a round knows from dockets.
type visit struct {
	over, waiting map[ulid.ULID]struct{}
	fresh         []ulid.ULID
}

// judge says whether an unreferenced object goes. Those that wait are bounded in all dockets together: a visit reads them all.
func (v *visit) judge(id ulid.ULID) bool {
	if _, over := v.over[id]; over {
		return true
	}
	if _, waits := v.waiting[id]; !waits && len(v.waiting) < suspectsMax {
		v.fresh = append(v.fresh, id)
		v.waiting[id] = struct{}{}
	}
	return false
}

// Visit goes on with a round, until time until or its end: then through is true, and the next begins with a zero Progress.
func (w *Sweeper) Visit(ctx context.Context, kind Kind, from Progress, until time.Time) (to Progress, through bool, err error) {
	era := w.Stream.ClusterID()
	dockets, void, err := w.dockets(ctx, kind, era)
	if err != nil {
		return from, false, err
	}
	r, err := w.begin(ctx)
	if err != nil || r == nil || r.of != era {
		return from, false, err
	}
	if from.Era != era || from.After == "" || !slices.ContainsFunc(kind.prefixes(), func(p string) bool { return strings.HasPrefix(from.After, p) }) {
		from = Progress{Era: era}
	}
	r.visit = &visit{over: map[ulid.ULID]struct{}{}, waiting: map[ulid.ULID]struct{}{}}
	for _, d := range dockets {
		into := r.visit.waiting
		if d.over {
			into = r.visit.over
			if from.After == "" {
				from.Over = append(from.Over, d.id)
			}
		}
		for _, id := range d.ids {
			into[id] = struct{}{}
		}
	}
	to, through, err = r.goOn(ctx, kind, from, until)
	if docketErr := r.leaveDocket(ctx, kind, r.visit.fresh); err == nil {
		err = docketErr
	}
	if err != nil || !through {
		return to, false, err
	}
	for _, id := range from.Over {
		void = append(void, kind.prefix()+id.String())
	}
	if err := r.delete(ctx, void); err != nil {
		return to, false, err
	}
	if kind == Recent {
		if err := r.sweepBackups(ctx); err != nil {
			return to, false, err
		}
	}
	return Progress{}, true, nil
}

// errUntil: the time of a visit is over.
var errUntil = errors.New("the time of a visit is over")

// goOn lists from a place on.
func (r *round) goOn(ctx context.Context, kind Kind, p Progress, until time.Time) (_ Progress, through bool, err error) {
	if kind == Settled {
		if err := r.foreign(ctx); err != nil {
			return p, false, err
		}
	}
	begun := p.After == ""
	for _, prefix := range kind.prefixes() {
		after := ""
		if !begun {
			if !strings.HasPrefix(p.After, prefix) {
				continue
			}
			begun, after = true, p.After
		} else if kind == Recent {
			after = prefix + lastAt(r.since).String()
		}
		f := folder{round: r, prefix: prefix}
		err := r.list(ctx, prefix, after, func(keys []string) error {
			judge := f.judge
			if kind == Recent {
				judge = func(_ context.Context, keys []string) []string { return r.recent(prefix, keys) }
			}
			if err := r.delete(ctx, judge(ctx, keys)); err != nil || len(keys) == 0 {
				return err
			}
			p.After = keys[len(keys)-1]
			if !r.w.Now().Before(until) {
				return errUntil
			}
			return nil
		})
		if errors.Is(err, errUntil) {
			return p, false, nil
		}
		if err != nil {
			return p, false, err
		}
	}
	return p, true, nil
}

// recent gives those of a page of segments or shared objects that go.
func (r *round) recent(prefix string, keys []string) (doomed []string) {
	used := r.refs.segments
	if prefix == ledger.SharedPrefix {
		used = r.refs.shared
	}
	for _, key := range keys {
		id, err := ulid.ParseStrict(key[len(prefix):])
		if err != nil {
			r.w.Log.Warn("object with a foreign name left alone", "key", key)
			continue
		}
		if _, used := used[id]; r.judge(&r.w.mu.recent, id, used) {
			doomed = append(doomed, key)
		}
	}
	return doomed
}
