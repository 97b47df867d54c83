// Package relay brings requests about a group to the instance that coordinates it.
//
// A Kafka client finds the coordinator and speaks to it. A client over HTTP speaks to any instance, so that instance does
// it in its place: by a call if it coordinates the group itself, else by the same Kafka request that a client would send, over TCP to
// the coordinator's first listener. What fails because the coordinator is not there, or is one no more, is tried again until the
// patience ends: heartbeats and commits of offsets may be repeated.
//
// Owns: connections to other instances. Does not own: groups (core/group), who lives (core/instance).
package relay

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/firnlog/firnlog/core/auth"
	"github.com/firnlog/firnlog/core/group"
	"github.com/firnlog/firnlog/core/instance"
	"github.com/firnlog/firnlog/core/pause"
)

// ErrUnreached: the instance did not answer. What it was asked may have happened.
var ErrUnreached = errors.New("the coordinator cannot be reached")

// Settings of a Relay.
type Settings struct {
	Local *group.Coordinator
	// Self is this instance's node id; its groups are asked for without a connection.
	Self func() int32
	// Dial opens a connection to another instance.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// TLS is for connections to listeners with TLS. Certificates need not be checked where Peers is set: see core/auth, Peers.
	TLS *tls.Config
	// Peers proves to the other instance who this is, and the other way round; nil: nobody is asked.
	Peers *auth.Peers
	// Patience is how long one request is tried.
	Patience time.Duration
}

// Relay speaks to whoever coordinates a group. What needs no coordinator is the Coordinator's own.
type Relay struct {
	*group.Coordinator
	settings Settings
	mu       struct {
		sync.Mutex
		idle   map[string][]*peer // by address
		closed bool
	}
}

// New makes a Relay.
func New(s Settings) *Relay {
	r := &Relay{Coordinator: s.Local, settings: s}
	r.mu.idle = map[string][]*peer{}
	return r
}

// Close ends idle connections, and keeps none from now on.
func (r *Relay) Close() {
	r.mu.Lock()
	r.mu.closed = true
	r.mu.Unlock()
	r.CloseIdle()
}

// CloseIdle ends idle connections.
func (r *Relay) CloseIdle() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, peers := range r.mu.idle {
		for _, p := range peers {
			p.nc.Close()
		}
	}
	r.mu.idle = map[string][]*peer{}
}

const (
	pauseMin = 50 * time.Millisecond
	pauseMax = time.Second
)

// repeat asks the coordinator until it answers for itself.
func (r *Relay) repeat(ctx context.Context, name string, local func(context.Context) error, remote func(context.Context, *peer) error) error {
	ctx, cancel := context.WithTimeout(ctx, r.settings.Patience)
	defer cancel()
	for try := 0; ; try++ {
		at, err := r.Find(name)
		switch {
		case err != nil:
		case at.Node == r.settings.Self():
			err = local(ctx)
		default:
			err = r.with(ctx, at, remote)
		}
		if err == nil || !errors.Is(err, group.ErrNotCoordinator) && !errors.Is(err, group.ErrUnavailable) {
			return err
		}
		if pause.For(ctx, pause.Backoff(try, pauseMin, pauseMax)) != nil {
			return err
		}
	}
}

// with runs fn with a connection to an instance. One that has rested may be dead: then a new one is tried at once.
func (r *Relay) with(ctx context.Context, at instance.Info, fn func(context.Context, *peer) error) error {
	e := at.Endpoint("")
	address := net.JoinHostPort(e.Host, strconv.Itoa(int(e.Port)))
	for {
		p, rested, err := r.peer(ctx, at, e, address)
		if err != nil {
			return fmt.Errorf("%w: %w (node %d): %w", group.ErrUnavailable, ErrUnreached, at.Node, err)
		}
		err = fn(ctx, p)
		if !errors.Is(err, errBroken) {
			r.rest(address, p)
			return err
		}
		p.nc.Close()
		if !rested || ctx.Err() != nil {
			return fmt.Errorf("%w: %w (node %d): %w", group.ErrUnavailable, ErrUnreached, at.Node, err)
		}
	}
}

func (r *Relay) peer(ctx context.Context, at instance.Info, e instance.Endpoint, address string) (p *peer, rested bool, err error) {
	r.mu.Lock()
	if idle := r.mu.idle[address]; len(idle) > 0 {
		p = idle[len(idle)-1]
		r.mu.idle[address] = idle[:len(idle)-1]
	}
	r.mu.Unlock()
	if p != nil {
		return p, true, nil
	}
	nc, err := r.settings.Dial(ctx, "tcp", address)
	if err != nil {
		return nil, false, err
	}
	p, err = r.secure(ctx, nc, at, e)
	if err != nil {
		nc.Close()
	}
	return p, false, err
}

// idleMax connections to one instance are kept.
const idleMax = 16

func (r *Relay) rest(address string, p *peer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.mu.closed || len(r.mu.idle[address]) >= idleMax {
		p.nc.Close()
		return
	}
	r.mu.idle[address] = append(r.mu.idle[address], p)
}

// ConsumerHeartbeat is a KIP-848 member's heartbeat; the member brings its id.
func (r *Relay) ConsumerHeartbeat(ctx context.Context, name string, req group.ConsumerRequest) (group.ConsumerResult, error) {
	var res group.ConsumerResult
	err := r.repeat(ctx, name, func(ctx context.Context) (err error) {
		res, err = r.Coordinator.ConsumerHeartbeat(ctx, name, req)
		return err
	}, func(ctx context.Context, p *peer) (err error) {
		res, err = p.heartbeat(ctx, name, req)
		return err
	})
	return res, err
}

// CommitOffsets commits for a member, or (generation -1) for somebody.
func (r *Relay) CommitOffsets(ctx context.Context, name string, req group.CommitRequest) error {
	req.NewErrors = true
	return r.repeat(ctx, name, func(ctx context.Context) error {
		return r.Coordinator.CommitOffsets(ctx, name, req)
	}, func(ctx context.Context, p *peer) error {
		return p.commit(ctx, name, req)
	})
}

// HeartbeatAt sends a heartbeat to this instance, once. ErrUnreached: it did not answer.
func (r *Relay) HeartbeatAt(ctx context.Context, at instance.Info, name string, req group.ConsumerRequest) (res group.ConsumerResult, err error) {
	err = r.with(ctx, at, func(ctx context.Context, p *peer) (err error) {
		res, err = p.heartbeat(ctx, name, req)
		return err
	})
	return res, err
}

// CommitAt sends a commit of offsets to this instance, once. ErrUnreached: it did not answer.
func (r *Relay) CommitAt(ctx context.Context, at instance.Info, name string, req group.CommitRequest) error {
	return r.with(ctx, at, func(ctx context.Context, p *peer) error { return p.commit(ctx, name, req) })
}
