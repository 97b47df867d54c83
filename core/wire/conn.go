package wire

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/firnlog/firnlog/core/quota"
)

// conn is one client's connection.
type conn struct {
	s        *Server
	nc       net.Conn
	listener string
	id       int64 // in logs
	gate     Gate

	session atomic.Pointer[admitted] // who the client is; nil before it is admitted
	secure  *tls.ConnectionState     // nil without TLS
	sasl    saslState

	ctx    context.Context // ends when the client is gone, or must go
	cancel context.CancelFunc
	poll   context.Context // ends earlier, when the server drains: waits for new records end
	unpoll context.CancelFunc

	queue       chan *request // in the order of arrival; closed by the reader
	outstanding atomic.Int32  // requests read and not answered
	muted       atomic.Int64  // until when it is not read, in nanoseconds since 1970; 0: it was never
}

// Reasons to close a connection, beside those of the network.
var (
	errDraining = errors.New("server is draining")
	errPanic    = errors.New("handler panicked")
	errSilent   = errors.New("no request for too long")
)

func newConn(s *Server, nc net.Conn, listener string) *conn {
	gate := s.guards.Gates[listener]
	if gate.TLS != nil {
		nc = tls.Server(nc, gate.TLS)
	}
	c := &conn{s: s, nc: nc, listener: listener, id: s.connected.Add(1), gate: gate, queue: make(chan *request, max(s.settings.PipelineMax-2, 0))}
	c.ctx, c.cancel = context.WithCancel(s.ctx)
	c.poll, c.unpoll = context.WithCancel(c.ctx)
	return c
}

// serve returns when the connection is closed and nothing of it is left running.
func (c *conn) serve() {
	closing := context.AfterFunc(c.ctx, func() { c.nc.Close() })
	if err := c.admit(); err != nil {
		c.cancel()
		closing()
		c.nc.Close()
		c.report(err, nil)
		return
	}
	read := make(chan error, 1)
	go func() {
		err := c.readAll()
		if !errors.Is(err, errDraining) {
			c.cancel() // the client is gone: nobody waits for answers any more
		}
		close(c.queue)
		read <- err
	}()
	wrote := c.writeAll()
	c.cancel()
	closing()
	c.nc.Close()
	for r := range c.queue { // those that the writer gave up
		r.drop()
	}
	c.report(<-read, wrote)
}

// report logs why a connection ended, if it is not the usual.
func (c *conn) report(read, wrote error) {
	err := wrote
	if err == nil || errors.Is(err, context.Canceled) {
		err = read
	}
	switch {
	case err == nil, errors.Is(err, io.EOF), errors.Is(err, net.ErrClosed), errors.Is(err, errDraining), errors.Is(err, context.Canceled):
	case errors.Is(err, errPanic): // logged with its stack already
		c.s.events.failed(err)
	default:
		c.s.events.failed(err)
		c.s.log.Info("connection closed", "connection", c.id, "client", c.nc.RemoteAddr().String(), "listener", c.listener, "error", err)
	}
}

// interruptRead makes the reader look at draining.
func (c *conn) interruptRead() {
	c.unpoll()
	c.nc.SetReadDeadline(time.Unix(1, 0))
}

// readAll takes requests in until the client or the server ends it.
func (c *conn) readAll() error {
	// turn is closed when the last request that is not a Produce has been answered: until
	// then no Produce starts and no large frame is read.
	turn := make(chan struct{})
	close(turn)
	for {
		frame, weight, err := c.readFrame(turn)
		if err != nil {
			return err
		}
		r, err := c.accept(frame, weight, turn)
		if err != nil {
			return err
		}
		if r.api.start == nil {
			turn = r.done
		}
		c.outstanding.Add(1)
		select {
		case c.queue <- r:
		case <-c.ctx.Done():
			r.drop()
			return c.ctx.Err()
		}
	}
}

// accept parses a frame's header, and does phase one if it is a Produce. It owns the weight from here on.
func (c *conn) accept(frame []byte, weight int64, turn <-chan struct{}) (*request, error) {
	r := &request{caller: caller{conn: c, frame: len(frame)}, done: make(chan struct{}), arrived: time.Now()}
	r.refund = func() {
		if weight > 0 {
			c.s.requests.Release(weight)
		}
	}
	if err := r.parseHeader(frame, c.s.apis); err != nil {
		r.drop()
		return nil, err
	}
	if err := c.mayRequest(r); err != nil {
		r.drop()
		return nil, err
	}
	c.traced(r)
	if r.api.start == nil {
		return r, nil
	}
	if c.s.guards.Quotas.On() {
		c.use(r, quota.Produce, float64(r.frame))
	}
	if err := wait(c.ctx, turn); err != nil {
		r.drop()
		return nil, err
	}
	if err := c.begin(r); err != nil {
		r.drop()
		return nil, err
	}
	return r, nil
}

// begin runs phase one here and phase two in a goroutine of its own, so that the frame's
// share of memory goes back as soon as the outcome is known, even if the client reads no answers.
func (c *conn) begin(r *request) error {
	var finish finisher
	err := c.guard(r, func() (err error) {
		defer r.timed(c.s.guards.Quotas.On())()
		if err = r.parseBody(); err != nil {
			return err
		}
		finish, err = r.api.start(c.contextOf(r), &r.caller, r.msg)
		return err
	})
	if err != nil {
		return err
	}
	r.outcome = make(chan answer, 1)
	ctx := c.contextOf(r)
	go func() {
		var a answer
		a.err = c.guard(r, func() (err error) {
			a.response, err = finish(ctx)
			return err
		})
		r.msg = nil
		r.giveBack()
		r.outcome <- a
	}()
	return nil
}

// writeAll answers requests in order until the queue is closed or an answer cannot be given.
func (c *conn) writeAll() error {
	for r := range c.queue {
		err := c.answer(r)
		r.drop()
		c.outstanding.Add(-1)
		if err != nil {
			return err
		}
	}
	return nil
}

func (c *conn) answer(r *request) error {
	a, err := c.result(r)
	if err != nil {
		return err
	}
	c.charge(r, a)
	if a == nil { // acks=0
		c.answered(r, nil, 0)
		return nil
	}
	frame, size := r.encode(a)
	if err := c.write(frame); err != nil {
		return err
	}
	c.answered(r, a, size)
	return c.sasl.failed
}

// requestContext is that of the connection, with who asks.
func (c *conn) requestContext() context.Context {
	if who := c.session.Load(); who != nil {
		return who.ctx
	}
	return c.ctx
}

// contextOf is that of a request: with its span, where there is one.
func (c *conn) contextOf(r *request) context.Context {
	return c.s.events.Trace.Under(c.requestContext(), r.at)
}

func (c *conn) result(r *request) (response kmsg.Response, err error) {
	if r.outcome != nil {
		select {
		case a := <-r.outcome:
			return a.response, a.err
		case <-c.ctx.Done():
			return nil, c.ctx.Err()
		}
	}
	err = c.guard(r, func() (err error) {
		defer r.timed(c.s.guards.Quotas.On())()
		if err = r.parseBody(); err != nil {
			return err
		}
		response, err = r.api.handle(c.contextOf(r), &r.caller, r.msg)
		return err
	})
	return response, err
}

// guard turns a panic into an error that costs this connection only.
func (c *conn) guard(r *request, f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			c.s.log.Error("request handler panicked", "api", r.api.name(), "version", r.version, "connection", c.id, "correlation", r.correlation, "client", r.client, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			err = errPanic
		}
	}()
	return f()
}

// wait returns nil when done is closed.
func wait(ctx context.Context, done <-chan struct{}) error {
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
