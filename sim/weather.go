package sim

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// weather are the faults of more than one call or instance: an outage of a zone, a storm of 503s, a store out of
// reach; and of clocks, which jump in both directions while everything runs.
func (w *world) weather(d *dice) {
	lasts := d.between(50*time.Millisecond, w.long(4*time.Second))
	switch d.below(4) {
	case 0:
		w.outage(d.below(zones), d.below(3), lasts)
	case 1:
		w.storm.begin(w, []float64{.3, .8, 1}[d.below(3)], lasts)
	case 2:
		w.pick(d).cutStore(lasts)
	case 3:
		most := w.long(time.Minute)
		if d.chance(.1) {
			most = max(most, 20*time.Minute)
		}
		far := d.between(time.Second, most)
		if d.chance(.5) {
			far = -far
		}
		w.mu.Lock()
		if w.mu.jumps+far.Abs() > jumpsMax(&w.Settings) {
			far = 0
		}
		w.mu.jumps += far.Abs()
		w.mu.Unlock()
		if far != 0 {
			w.pick(d).jump(far)
		}
	}
}

// jumpsMax is how far clocks jump, all together. Producers are forgotten by clocks, once the floor has come as far: clocks that jump by more than
// that, ten minutes at least, are not promised anything (a day of them, with what brokers are set to).
func jumpsMax(s *Settings) time.Duration {
	return max(10*time.Minute, s.ProducerExpiry) - s.Lag - time.Minute
}

// zones that instances are spread over.
const zones = 2

// outage takes the KV, the store or both from all instances of a zone.
func (w *world) outage(zone, of int, d time.Duration) {
	w.transcript.note(time.Now(), -1, "zone outage", fmt.Sprint(zone), d.String())
	for _, in := range w.all() {
		if in.number%zones != zone {
			continue
		}
		if of != 1 {
			in.cut(d)
		}
		if of != 0 {
			in.cutStore(d)
		}
	}
}

// storm is a time in which the object store refuses much of what it is asked.
type storm struct {
	mu    sync.Mutex
	until time.Time
	part  float64
}

func (s *storm) begin(w *world, part float64, d time.Duration) {
	s.mu.Lock()
	s.until, s.part = time.Now().Add(d), part
	s.mu.Unlock()
	w.transcript.note(time.Now(), -1, "storm", fmt.Sprint(part), d.String())
}

// hits says that this call is refused.
func (s *storm) hits(c *call) bool {
	s.mu.Lock()
	part := s.part
	if !time.Now().Before(s.until) {
		part = 0
	}
	s.mu.Unlock()
	return part > 0 && c.chance(part)
}

// stuck lets a call hang until who asked gives up, or is killed. Its effect comes after there or never.
func (c *call) stuck(ctx context.Context, there time.Duration, effect func()) {
	if c.dice.chance(.5) {
		time.AfterFunc(there, effect)
	} else {
		c.end("stuck")
	}
	select {
	case <-ctx.Done():
	case <-c.in.gone:
	}
	time.Sleep(c.dice.between(0, time.Millisecond)) // those who were stuck together go on at instants of their own
}
