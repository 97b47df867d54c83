//go:build stack

package faults

import (
	"net"
	"sync"
	"testing"
	"time"

	"github.com/firnlog/firnlog/tests/stack/harness"
)

// link is the network between one process and a server. It can be slow, lose the connections and take no new ones, or hold
// everything back, as a network that drops packets does: whoever waits does not learn why.
type link struct {
	address, server string
	mu              struct {
		sync.Mutex
		target string        // the server, as a rule
		slow   time.Duration // before each piece
		cut    bool
		held   chan struct{} // closed when it goes on; nil: it is not held
		barred func(from net.Addr) bool
		open   map[net.Conn]bool // both ends; true: the client's
		closed bool
	}
}

// newLink listens until the test ends.
func newLink(t testing.TB, server string) *link {
	t.Helper()
	l := &link{address: harness.Address(harness.FreePort(t)), server: server}
	l.mu.target = server
	l.mu.open = map[net.Conn]bool{}
	listener, err := net.Listen("tcp", l.address)
	if err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	group.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			group.Go(func() { l.serve(conn) })
		}
	})
	t.Cleanup(func() {
		listener.Close()
		l.heal()
		l.mu.Lock()
		l.mu.closed = true
		l.mu.Unlock()
		l.drop()
		group.Wait()
	})
	return l
}

func (l *link) heal() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mu.slow, l.mu.cut, l.mu.barred = 0, false, nil
	if l.mu.target != l.server {
		l.mu.target = l.server
		l.dropLocked()
	}
	if l.mu.held != nil {
		close(l.mu.held)
		l.mu.held = nil
	}
}

func (l *link) hold() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.mu.held == nil {
		l.mu.held = make(chan struct{})
	}
}

func (l *link) slow(by time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mu.slow = by
}

func (l *link) cut() {
	l.mu.Lock()
	l.mu.cut = true
	l.mu.Unlock()
	l.drop()
}

// bar lets nobody through who comes from there.
func (l *link) bar(from func(net.Addr) bool) {
	l.mu.Lock()
	l.mu.barred = from
	var open []net.Conn
	for c, clients := range l.mu.open {
		if clients {
			open = append(open, c)
		}
	}
	l.mu.Unlock()
	for _, c := range open {
		if from(c.RemoteAddr()) {
			c.Close() // and so its other end
		}
	}
}

func (l *link) bars(c net.Conn) bool {
	l.mu.Lock()
	barred := l.mu.barred
	l.mu.Unlock()
	return barred != nil && barred(c.RemoteAddr())
}

// redirect lets it lead to another server.
func (l *link) redirect(target string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mu.target = target
	l.dropLocked()
}

// drop closes all connections.
func (l *link) drop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.dropLocked()
}

func (l *link) dropLocked() {
	for c := range l.mu.open {
		c.Close()
	}
}

// keep notes a connection, and says where it leads; false when there shall be none.
func (l *link) keep(c net.Conn, clients bool) (target string, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	ok = !l.mu.cut && !l.mu.closed
	if ok {
		l.mu.open[c] = clients
	}
	return l.mu.target, ok
}

func (l *link) forget(c net.Conn) {
	c.Close()
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.mu.open, c)
}

func (l *link) serve(client net.Conn) {
	defer l.forget(client)
	l.pass()
	target, ok := l.keep(client, true)
	if !ok || l.bars(client) {
		return
	}
	server, err := net.Dial("tcp", target)
	if err != nil {
		return
	}
	defer l.forget(server)
	if now, ok := l.keep(server, false); !ok || now != target {
		return
	}
	done := make(chan struct{})
	go func() {
		l.copy(client, server)
		close(done)
	}()
	l.copy(server, client)
	<-done
}

// copy moves bytes in one direction; when it ends, so does the other one.
func (l *link) copy(to, from net.Conn) {
	defer to.Close()
	defer from.Close()
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		l.pass()
		if n > 0 {
			if _, err := to.Write(buffer[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// pass waits as the network does now.
func (l *link) pass() {
	l.mu.Lock()
	slow, held := l.mu.slow, l.mu.held
	l.mu.Unlock()
	if held != nil {
		<-held
	}
	if slow > 0 {
		time.Sleep(slow) // the fault itself
	}
}
