// Package pause waits between tries.
//
// Owns: waiting that ends with its context, and how long a try waits for the next. Does not own:
// what is tried, or when to give up.
package pause

import (
	"context"
	"time"
)

// For waits d, or less if ctx ends: then it gives ctx's error.
func For(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// Backoff is what to wait after a number of tries: least, doubled with each, at most most.
func Backoff(tries int, least, most time.Duration) time.Duration {
	for ; tries > 0 && least < most; tries-- {
		least *= 2
	}
	return min(least, most)
}
