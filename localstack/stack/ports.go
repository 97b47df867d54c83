package stack

import (
	"fmt"
	"net"
	"strconv"
)

// ports gives each server its address: counted from a first one, or as in the last run, or free.
type ports struct {
	first    int
	last     map[string]int
	taken    map[string]int
	reserved map[int]bool
}

// Ports are taken from below those from which the kernel takes the local end of connections: otherwise a client could get the
// port of a broker that is just being started again.
const portLow, portHigh = 19_000, 32_000

func newPorts(first int, last map[string]int) *ports {
	p := &ports{first: first, last: last, taken: map[string]int{}, reserved: map[int]bool{}}
	for _, port := range last {
		p.reserved[port] = true
	}
	return p
}

// address gives HOST:PORT for a server. The same names must be asked for in the same order by each run.
func (p *ports) address(name string) (string, error) {
	port := p.first + len(p.taken)
	if p.first == 0 {
		if port = p.last[name]; port == 0 || !free(port) {
			port = p.any()
		}
	}
	if port == 0 || !free(port) {
		return "", fmt.Errorf("%w: 127.0.0.1:%d, for %s: choose another --port-first, or leave it out for free ones", ErrPort, port, name)
	}
	p.taken[name], p.reserved[port] = port, true
	return local(port), nil
}

// any finds a port that nobody has and no name had; 0: there is none.
func (p *ports) any() int {
	for port := portLow; port < portHigh; port++ {
		if !p.reserved[port] && free(port) {
			return port
		}
	}
	return 0
}

func local(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

func free(port int) bool {
	l, err := net.Listen("tcp", local(port))
	if err != nil {
		return false
	}
	l.Close()
	return true
}
