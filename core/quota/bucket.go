package quota

import (
	"crypto/sha256"
	"sync"
	"time"
)

// Buckets are kept for those who used something not long ago. One that has filled up again is as good as a new one and is dropped when room is
// needed. Where there is none, whoever comes new under a quota shares one bucket with all others who do: names that clients make up take
// no more memory, and get them no more.

// TrackedMax is how many buckets there are.
const TrackedMax = 20_000

const (
	// burst is how much of its rate a bucket holds.
	burst = time.Second
	// scopeNameMax is what a bucket keeps of a name; of a longer one, a hash.
	scopeNameMax = 128
	sweepEvery   = time.Second
)

type bucketKey struct {
	kind Kind
	who  scope
	from Entity // of shared ones only
}

type bucket struct {
	tokens float64
	rate   float64
	at     time.Time
}

type buckets struct {
	max int
	mu  struct {
		sync.Mutex
		all   map[bucketKey]*bucket
		swept time.Time
	}
}

func newBuckets(most int) *buckets {
	b := &buckets{max: most}
	b.mu.all = map[bucketKey]*bucket{}
	return b
}

// fill brings a bucket up to now. A rate that was changed counts from now on.
func (b *bucket) fill(now time.Time, rate float64) {
	b.tokens = min(b.tokens+max(now.Sub(b.at).Seconds(), 0)*rate, rate*burst.Seconds())
	b.rate, b.at = rate, now
}

// debt is how long it takes to come back to zero.
func (b *bucket) debt() time.Duration {
	if b.tokens >= 0 {
		return 0
	}
	return time.Duration(min(-b.tokens/b.rate, waitMost.Seconds()) * float64(time.Second))
}

// isFull says that a new bucket would be the same.
func (b *bucket) isFull(now time.Time) bool {
	return b.tokens+now.Sub(b.at).Seconds()*b.rate >= b.rate*burst.Seconds()
}

// take uses n of a bucket, and gives how long whoever did has to wait. whole: nothing is used unless it is there.
func (s *buckets) take(now time.Time, kind Kind, rate float64, from Entity, who scope, n float64, whole bool) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.bucket(now, bucketKey{kind: kind, who: who.short()}, rate, from)
	b.fill(now, rate)
	if whole && b.tokens < n {
		return max(time.Duration((n-b.tokens)/rate*float64(time.Second)), 1)
	}
	b.tokens -= n
	return b.debt()
}

// bucket needs the lock.
func (s *buckets) bucket(now time.Time, key bucketKey, rate float64, from Entity) *bucket {
	if b := s.mu.all[key]; b != nil {
		return b
	}
	if len(s.mu.all) >= s.max {
		s.sweep(now)
	}
	if len(s.mu.all) >= s.max {
		key = bucketKey{kind: key.kind, from: from}
		if b := s.mu.all[key]; b != nil {
			return b
		}
	}
	b := &bucket{tokens: rate * burst.Seconds(), rate: rate, at: now}
	s.mu.all[key] = b
	return b
}

// sweep drops full buckets; it needs the lock.
func (s *buckets) sweep(now time.Time) {
	if now.Sub(s.mu.swept) < sweepEvery {
		return
	}
	s.mu.swept = now
	for key, b := range s.mu.all {
		if b.isFull(now) {
			delete(s.mu.all, key)
		}
	}
}

func (s scope) short() scope {
	return scope{s.user.short(), s.client.short(), s.ip}
}

func (p Part) short() Part {
	if len(p.name) > scopeNameMax {
		sum := sha256.Sum256([]byte(p.name))
		p.name = string(sum[:])
	}
	return p
}
