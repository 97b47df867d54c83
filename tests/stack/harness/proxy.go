package harness

import (
	"io"
	"net"
	"sync"
	"testing"
)

// Proxy stands between clients and a broker. It can swallow what clients send, and cut their connections.
type Proxy struct {
	Address string // HOST:PORT
	target  string
	mu      struct {
		sync.Mutex
		swallow bool
		closed  bool
		open    map[net.Conn]bool
	}
}

// StartProxy listens at an address until the test ends.
func StartProxy(t testing.TB, address, target string) *Proxy {
	t.Helper()
	listener, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{Address: address, target: target}
	p.mu.open = map[net.Conn]bool{}
	var group sync.WaitGroup
	group.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			group.Go(func() { p.serve(client) })
		}
	})
	t.Cleanup(func() {
		listener.Close()
		p.mu.Lock()
		p.mu.closed = true
		p.mu.Unlock()
		p.Cut()
		group.Wait()
	})
	return p
}

// Swallow makes requests vanish: they are taken from clients and never reach the broker.
func (p *Proxy) Swallow(on bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mu.swallow = on
}

// Cut closes all connections.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.mu.open {
		c.Close()
	}
}

// keep notes an open connection; false when there shall be no more.
func (p *Proxy) keep(c net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.mu.closed {
		p.mu.open[c] = true
	}
	return !p.mu.closed
}

func (p *Proxy) drop(c net.Conn) {
	c.Close()
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.mu.open, c)
}

func (p *Proxy) serve(client net.Conn) {
	defer p.drop(client)
	broker, err := net.Dial("tcp", p.target)
	if err != nil {
		return
	}
	defer p.drop(broker)
	if !p.keep(client) || !p.keep(broker) {
		return
	}
	go func() {
		_, _ = io.Copy(client, broker) // ends with either connection
		client.Close()
	}()
	buffer := make([]byte, 64<<10)
	for {
		n, err := client.Read(buffer)
		if err != nil {
			return
		}
		p.mu.Lock()
		swallow := p.mu.swallow
		p.mu.Unlock()
		if swallow {
			continue
		}
		if _, err := broker.Write(buffer[:n]); err != nil {
			return
		}
	}
}
