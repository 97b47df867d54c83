package stream

import (
	"io"
	"sync"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/rule"
)

// aheadMax is how far an id's time may be ahead of the stamp: an instance whose
// clock is wrong still makes ids that the floor will pass one day.
const aheadMax = 10 * time.Minute

type ids struct{ sync.Mutex }

// NewID makes an id whose time is this instance's clock, held between the stamp and
// the stamp + 10 minutes. The floor is raised only to a stamp that has stood for
// the lag, so every id has a full lag from now until it may no longer be
// committed, whatever this clock says.
func (s *Stream) NewID() (ulid.ULID, error) {
	now := s.Now().UnixMilli()
	err := s.View(func(l *ledger.Ledger) {
		if stamp := int64(l.Stamp()); rule.On(rule.StampClamp) {
			now = max(stamp, min(now, stamp+aheadMax.Milliseconds()))
		}
	})
	if err != nil {
		return ulid.ULID{}, err
	}
	return s.randomID(uint64(now)), nil
}

func (s *Stream) randomID(ms uint64) (id ulid.ULID) {
	s.ids.Lock()
	defer s.ids.Unlock()
	// The time fits: 48 bits of milliseconds last until the year 10889.
	_ = id.SetTime(ms)
	var entropy [10]byte
	if _, err := io.ReadFull(s.Entropy, entropy[:]); err != nil {
		panic("entropy ran out: " + err.Error())
	}
	_ = id.SetEntropy(entropy[:])
	return id
}
