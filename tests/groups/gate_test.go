//go:build stack

package groups

import (
	"context"
	"errors"
	"net"
	"sync"
)

// gate stands between a member and the network. While it is shut the member stands still, as a stopped process does: what
// it was about to send is sent when it goes on, and what came for it is read then. A member that is cut is gone: no
// goodbye leaves it.
type gate struct {
	mu struct {
		sync.Mutex
		open  chan struct{} // closed while it is open
		cut   bool
		conns map[net.Conn]bool
	}
	gone chan struct{}
}

var errCut = errors.New("this member is dead")

func newGate() *gate {
	g := &gate{gone: make(chan struct{})}
	g.mu.open = make(chan struct{})
	close(g.mu.open)
	g.mu.conns = map[net.Conn]bool{}
	return g
}

func (g *gate) shut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.mu.open = make(chan struct{})
}

func (g *gate) reopen() {
	g.mu.Lock()
	defer g.mu.Unlock()
	select {
	case <-g.mu.open:
	default:
		close(g.mu.open)
	}
}

// cut ends all connections, and lets no more be made.
func (g *gate) cut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.mu.cut {
		return
	}
	g.mu.cut = true
	close(g.gone)
	for c := range g.mu.conns {
		c.Close()
	}
}

// pass waits until the gate is open; false when the member is dead.
func (g *gate) pass() bool {
	for {
		g.mu.Lock()
		open := g.mu.open
		g.mu.Unlock()
		select {
		case <-g.gone:
			return false
		case <-open:
			return true
		}
	}
}

// dial is for kgo.Dialer.
func (g *gate) dial(ctx context.Context, network, address string) (net.Conn, error) {
	if !g.pass() {
		return nil, errCut
	}
	var d net.Dialer
	c, err := d.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.mu.cut {
		c.Close()
		return nil, errCut
	}
	g.mu.conns[c] = true
	return gated{c, g}, nil
}

type gated struct {
	net.Conn
	gate *gate
}

func (c gated) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if !c.gate.pass() {
		return 0, errCut
	}
	return n, err
}

func (c gated) Write(b []byte) (int, error) {
	if !c.gate.pass() {
		return 0, errCut
	}
	return c.Conn.Write(b)
}

func (c gated) Close() error {
	c.gate.mu.Lock()
	delete(c.gate.mu.conns, c.Conn)
	c.gate.mu.Unlock()
	return c.Conn.Close()
}
