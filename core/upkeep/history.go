package upkeep

import (
	"slices"
	"time"

	"github.com/firnlog/firnlog/coordination"
)

// Sample is what the log looked like at a time of the clock of who took it.
type Sample struct {
	AtMs     int64                 `json:"at"`
	Revision coordination.Revision `json:"revision"`
	Stamp    coordination.Mark     `json:"stamp"`
}

// keepEvery is the distance of samples that are kept elsewhere, as a part of their age: some hundred for a day.
const keepEvery = 16

// History gives the samples of an era that whoever comes next needs to tell how long something has stood; none: the last one is of
// another era.
func (u *Upkeep) History() (era string, out []Sample) {
	u.mu.Lock()
	defer u.mu.Unlock()
	now := u.Now()
	for i, s := range slices.Backward(u.mu.samples) {
		era = s.era
		if n := len(out); n > 0 && i > 0 && time.UnixMilli(out[n-1].AtMs).Sub(s.at) < now.Sub(s.at)/keepEvery {
			continue
		}
		out = append(out, Sample{s.at.UnixMilli(), s.rev, s.stamp})
		if now.Sub(s.at) > u.ProducerExpiry {
			break // older ones tell nothing more
		}
	}
	slices.Reverse(out)
	return era, out
}

// Recall takes samples of an earlier process for this one's, before the first Observe. Those of its own future are left out: a clock
// was wrong. How long a stamp has stood is then measured between two clocks, which costs at most that a writer
// is refused and puts its segment again: what makes a commit safe is the floor that it compares, however early that was raised.
func (u *Upkeep) Recall(era string, samples []Sample) {
	u.mu.Lock()
	defer u.mu.Unlock()
	now := u.Now()
	for _, s := range samples {
		if at := time.UnixMilli(s.AtMs); !at.After(now) {
			u.mu.samples = append(u.mu.samples, sample{at, s.Revision, s.Stamp, era})
		}
	}
}
