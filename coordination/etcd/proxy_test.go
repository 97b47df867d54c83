package etcd

import (
	"net"
	"sync"
	"testing"
)

// proxy passes TCP connections on to one address, until a test stops a direction or cuts them.
type proxy struct {
	listener net.Listener
	target   string

	mu struct {
		sync.Mutex
		conns         []net.Conn
		holdsRequests bool // to the server
		holdsAnswers  bool // to the client
	}
	dropped chan struct{} // has a signal when something was dropped
}

func startProxy(t *testing.T, target string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{listener: l, target: target, dropped: make(chan struct{}, 1)}
	t.Cleanup(func() {
		l.Close()
		p.cut()
	})
	go p.accept()
	return p
}

func (p *proxy) addr() string { return p.listener.Addr().String() }

func (p *proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", p.target)
		if err != nil {
			client.Close()
			continue
		}
		p.mu.Lock()
		p.mu.conns = append(p.mu.conns, client, server)
		p.mu.Unlock()
		go p.pass(client, server, &p.mu.holdsRequests)
		go p.pass(server, client, &p.mu.holdsAnswers)
	}
}

// pass copies; while held, it drops what comes and says so in dropped.
func (p *proxy) pass(from, to net.Conn, held *bool) {
	defer from.Close()
	defer to.Close()
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		if err != nil {
			return
		}
		p.mu.Lock()
		drop := *held
		p.mu.Unlock()
		if drop {
			select {
			case p.dropped <- struct{}{}:
			default:
			}
			continue
		}
		if _, err := to.Write(buf[:n]); err != nil {
			return
		}
	}
}

func (p *proxy) hold(requests, answers bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mu.holdsRequests, p.mu.holdsAnswers = requests, answers
}

// cut ends all connections; new ones are possible, and nothing is held any more.
func (p *proxy) cut() {
	p.hold(false, false)
	p.mu.Lock()
	conns := p.mu.conns
	p.mu.conns = nil
	p.mu.Unlock()
	for _, c := range conns {
		c.Close()
	}
}
