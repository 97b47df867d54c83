package wire

import (
	"context"
	"errors"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/firnlog/firnlog/core/auth"
	"github.com/firnlog/firnlog/core/quota"
)

// What happens to a client that uses more than its quotas (core/quota):
//
//  1. What it asked for is done and answered at once, with how long it is to wait (throttle_time_ms, KIP-219).
//  2. Until then its connection is not read, whatever it sends: it is muted. Other connections of the client go on until they use
//     something of that quota themselves.
//
// A Produce counts when it has come, so that of those that overlap none gets ahead; a Fetch when it is answered, and its answer
// holds no more than a second's worth, or one batch.
//
// Time spent on a request is that of parsing and handling, without waiting for records, for a flush, or for other members of a group.

// errTooManyConnects: an address connects more often than its quota allows.
var errTooManyConnects = errors.New("the address connects more often than its quota (connection_creation_rate) allows")

// connectWaitMost is how long a connection that comes too often is held before it is closed.
const connectWaitMost = time.Second

// used is what a request has used beside bytes; handlers fill it in.
type used struct {
	busy      time.Duration
	waited    time.Duration // within handling: not busy
	mutations int           // partitions created and deleted
	fetched   int           // bytes of records
	throttled bool
}

// user is who quotas are for; ok is false for who has none: instances, which asked for their clients already.
func (c *conn) user() (name string, ok bool) {
	who := c.session.Load()
	if who == nil || who.Principal.Kind == auth.KindInstance {
		return "", false
	}
	return who.Principal.Name, true
}

// use notes what a request has used, and mutes the connection for as long as it has to wait.
func (c *conn) use(r *request, kind quota.Kind, n float64) {
	user, ok := c.user()
	if !ok {
		return
	}
	wait := c.s.guards.Quotas.Take(kind, user, r.client, n)
	if wait <= 0 {
		return
	}
	r.used.throttled = true
	c.s.events.throttled(kind, wait)
	for until := time.Now().Add(wait).UnixNano(); ; {
		old := c.muted.Load()
		if until <= old || c.muted.CompareAndSwap(old, until) {
			return
		}
	}
}

// charge notes all that a request has used when it is answered, and tells the client.
func (c *conn) charge(r *request, resp kmsg.Response) {
	if !c.s.guards.Quotas.On() || isPreAuth(r.api.key) {
		return
	}
	if r.used.fetched > 0 {
		c.use(r, quota.Fetch, float64(r.used.fetched))
	}
	if r.used.mutations > 0 {
		c.use(r, quota.Mutation, float64(r.used.mutations))
	}
	if r.api.key != kmsg.JoinGroup && r.api.key != kmsg.SyncGroup {
		c.use(r, quota.Request, 100*max(r.used.busy-r.used.waited, 0).Seconds())
	}
	if !r.used.throttled || resp == nil {
		return
	}
	left := time.Until(time.Unix(0, c.muted.Load()))
	if told, ok := resp.(kmsg.SetThrottleResponse); ok && left > 0 {
		told.SetThrottle(int32((left + time.Millisecond - 1) / time.Millisecond))
	}
}

// fetchLimit is what one answer to a Fetch may hold.
func (c *caller) fetchLimit(most int) int {
	user, ok := c.conn.user()
	if !ok {
		return most
	}
	if limit := c.conn.s.guards.Quotas.Limit(quota.Fetch, user, c.client); limit > 0 && limit < float64(most) {
		return max(int(limit), 1)
	}
	return most
}

// unmuted waits until the connection may be read.
func (c *conn) unmuted() error {
	for {
		until := c.muted.Load()
		if until == 0 {
			return nil
		}
		left := time.Until(time.Unix(0, until))
		if left <= 0 {
			return nil
		}
		timer := time.NewTimer(left)
		select {
		case <-timer.C:
		case <-c.s.draining:
			timer.Stop()
			return errDraining
		case <-c.ctx.Done():
			timer.Stop()
			return c.ctx.Err()
		}
	}
}

// connects asks whether the address may connect once more. Where it may not, the connection is held for a while, so that a client
// that tries again and again does not do so at once.
func (c *conn) connects(ctx context.Context) error {
	wait := c.s.guards.Quotas.Connect(c.host())
	if wait <= 0 {
		return nil
	}
	wait = min(wait, connectWaitMost)
	c.s.events.throttled(quota.Connection, wait)
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-c.s.draining:
	case <-ctx.Done():
	}
	return errTooManyConnects
}

// crowd counts connections by address.
type crowd map[string]int

func (m crowd) add(host string, most int) bool {
	if most > 0 && m[host] >= most {
		return false
	}
	m[host]++
	return true
}

func (m crowd) leave(host string) {
	if m[host]--; m[host] <= 0 {
		delete(m, host)
	}
}

// timed measures handling, from here until what it gives is called. Where there are no quotas it does nothing.
func (r *request) timed(on bool) (stop func()) {
	if !on {
		return func() {}
	}
	began := time.Now()
	return func() { r.used.busy += time.Since(began) }
}
