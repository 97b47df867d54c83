package sim

import "time"

// dice is a stream of numbers drawn from the seed and the name of what is decided. There is
// no shared stream: which goroutine asks first must not matter.
type dice struct{ state uint64 }

// throw gives the dice of one decision: kind, instance or client, life or count, key.
func throw(seed uint64, kind string, a, b int, key string) dice {
	h := seed*0x9e3779b97f4a7c15 + 0x2545f4914f6cdd1d
	mix := func(v uint64) {
		h ^= v
		h *= 0xff51afd7ed558ccd
		h ^= h >> 32
	}
	for i := 0; i < len(kind); i++ {
		mix(uint64(kind[i]))
	}
	mix(uint64(a) + 1<<40)
	mix(uint64(b) + 1<<41)
	for i := 0; i < len(key); i++ {
		mix(uint64(key[i]))
	}
	return dice{h}
}

func (d *dice) next() uint64 {
	d.state += 0x9e3779b97f4a7c15
	z := d.state
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// chance is true with probability p.
func (d *dice) chance(p float64) bool { return float64(d.next()>>11)/(1<<53) < p }

// below gives 0..n-1.
func (d *dice) below(n int) int { return int(d.next() % uint64(n)) }

// odd is true of every other one.
func (d dice) odd() bool { return d.chance(.5) }

// between gives a time down to odd nanoseconds, so that no two things coincide.
func (d *dice) between(least, most time.Duration) time.Duration {
	if most <= least {
		return least
	}
	return least + time.Duration(d.next()%uint64(most-least))
}

// Read makes dice a source of ids; it never fails.
func (d *dice) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = byte(d.next() >> 24)
	}
	return len(b), nil
}
