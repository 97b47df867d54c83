// Package modelled is a Store decorator that takes as long as a cloud's object store would, so that latency measured on one
// machine says something about another. Nothing but time is modelled: no errors, no throttling, no limits of rates.
//
// Each request takes a time to first byte, drawn from a log-normal distribution with the given median and 99th percentile,
// and then its bytes at the bandwidth of one connection. (Long-tailed and about log-normal is what those who measure object
// stores report, e.g. spiraldb.com/post/so-you-want-to-use-object-storage.)
//
//	                 PUT, DELETE   GET          LIST         a connection
//	                 p50    p99    p50   p99    p50   p99
//	s3-standard      100    200    30    200    100   200 ms 87.5 MB/s
//	s3-express       5      10     4     10     5     10 ms  87.5 MB/s
//
// Where these come from:
//   - S3 Standard: AWS says that small objects and first bytes take roughly 100 to 200 ms, and to plan with 85 to 90 MB/s a connection
//     (Amazon S3 user guide, "Performance design patterns for Amazon S3", "Performance guidelines"). The range is taken for p50 and p99 of
//     what writes. Of reads, users report some 30 ms as usual, 80 ms as common and 80 MB/s (quickwit.io/blog/s3-express-speculations).
//   - S3 Express One Zone: AWS says "consistent single-digit millisecond" (user guide, "S3 Express One Zone"); 10 ms is
//     taken as p99. No bandwidth is published: that of Standard.
//   - As a check from outside: WarpStream, which gathers for 250 ms by default, reports a produce p99 of some 400 ms on Standard, and with a
//     short wait on Express p50 33 ms and p99 50 ms (warpstream.com/blog: "The Art of Being Lazy(log)"). The first is what this model gives.
//
// What is beyond the 99th percentile is the distribution's, not published: take p99.9 on these models with care.
//
// Owns: the models, the drawing. Does not own: time (a clock is passed in).
package modelled

import (
	"math"
	"slices"
	"time"
)

// Model is the timing of a kind of store.
type Model struct {
	Name                   string
	Put, Get, List, Delete Spread
	BytesPerSecond         float64 // of one request
}

// Spread is a distribution of times: log-normal through these two.
type Spread struct{ Median, P99 time.Duration }

// z99 is how many standard deviations the 99th percentile lies above the median.
const z99 = 2.3263478740408408

// at gives the time that is so many standard deviations above the median.
func (s Spread) at(z float64) time.Duration {
	sigma := math.Log(float64(s.P99)/float64(s.Median)) / z99
	return time.Duration(float64(s.Median) * math.Exp(sigma*z))
}

const connectionBytesPerSecond = 87.5e6

// Models are those that can be named.
func Models() []Model {
	const ms = time.Millisecond
	slow, fast := Spread{100 * ms, 200 * ms}, Spread{5 * ms, 10 * ms}
	return []Model{
		{Name: "s3-standard", Put: slow, Get: Spread{30 * ms, 200 * ms}, List: slow, Delete: slow, BytesPerSecond: connectionBytesPerSecond},
		{Name: "s3-express", Put: fast, Get: Spread{4 * ms, 10 * ms}, List: fast, Delete: fast, BytesPerSecond: connectionBytesPerSecond},
	}
}

// Find gives the model of this name.
func Find(name string) (Model, bool) {
	all := Models()
	i := slices.IndexFunc(all, func(m Model) bool { return m.Name == name })
	if i < 0 {
		return Model{}, false
	}
	return all[i], true
}
