package sweep

import (
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/firnlog/firnlog/coordination"
)

// suspects are objects that were found unreferenced, and since when. A round forgets those that it does not find so again.
type suspects struct {
	since map[ulid.ULID]time.Time
	still map[ulid.ULID]struct{} // of the round that is on
}

// turn begins a round.
func (w *Sweeper) turn(s *suspects) {
	w.mu.Lock()
	defer w.mu.Unlock()
	s.still = map[ulid.ULID]struct{}{}
}

// forget ends a round that has looked at everything.
func (w *Sweeper) forget(s *suspects) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for id := range s.since {
		if _, ok := s.still[id]; !ok {
			delete(s.since, id)
		}
	}
	s.still = nil
}

// judge says whether an object goes: unreferenced, of this era, at or below the floor, and so for the grace.
//
// The grace lies between the times at which the two rounds read references, not at which they came across the object: a round may take
// long, and what is put within the grace (the root of a backup, from which on its references count) must have been seen by
// the second.
func (r *round) judge(s *suspects, id ulid.ULID, used bool) bool {
	w, mark := r.w, coordination.MarkOf(id)
	if mark > r.floor || mark <= r.since {
		return false
	}
	if r.visit != nil {
		return !used && r.visit.judge(id)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if used {
		delete(s.since, id)
		return false
	}
	since, known := s.since[id]
	if !known {
		if len(s.since) >= suspectsMax {
			return false
		}
		since = r.at
		s.since[id] = since
	}
	if s.still != nil {
		s.still[id] = struct{}{}
	}
	return (known || w.Grace == 0) && r.at.Sub(since) >= w.Grace
}
