package sim

import "time"

// How long a history takes. Most are short, with all intervals of some hundred milliseconds, so that as much as possible
// happens in a minute. The others stretch every interval of maintenance and clients by one factor, up to what a cluster
// has in production: hours with sparse load, in which floors, expiry, time-outs and what is due by age are met at
// their real distance from what does not stretch: linger, latencies, and the patience of clients.

// draw gives the factor of a seed: 1 for most.
func drawStretch(seed uint64) float64 {
	d := throw(seed, "length", 0, 0, "")
	within := func(least, most int) float64 { return float64(least) + float64(d.below(1000*(most-least)))/1000 }
	switch n := d.below(100); {
	case n < 62:
		return 1
	case n < 82:
		return within(2, 6)
	case n < 94:
		return within(6, 20)
	default:
		return within(20, 60)
	}
}

// stretch makes all intervals of a history longer.
func (s *Settings) stretch(by float64) {
	s.Stretch = by
	for _, d := range []*time.Duration{
		&s.Chaos, &s.StampEvery, &s.Lag, &s.CheckpointAge, &s.TrimEvery, &s.SweepEvery, &s.SweepGrace, &s.ProducerExpiry,
		&s.SettleEvery, &s.SettleAge, &s.TransactionMax, &s.Think, &s.ChaosEvery, &s.PauseMax, &s.Faults.LateMax, &s.Aging.Every, &s.Aging.Unit,
	} {
		*d = s.long(*d)
	}
}

// long is an interval of a short history in this one.
func (s *Settings) long(d time.Duration) time.Duration { return time.Duration(s.Stretch * float64(d)) }
