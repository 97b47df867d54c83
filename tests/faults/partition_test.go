//go:build stack

package faults

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
)

// comesFrom says which connections are those of a process, from the kernel's tables: the link of a member of etcd is one for all who
// connect to it, and each of them has one URL for it.
func comesFrom(pid int) func(net.Addr) bool {
	return func(from net.Addr) bool {
		socket := socketOf(from.(*net.TCPAddr).Port)
		files, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
		if err != nil || socket == "" {
			return false
		}
		for _, f := range files {
			if to, err := os.Readlink(f); err == nil && to == socket {
				return true
			}
		}
		return false
	}
}

// socketOf names the socket whose local end is a port of 127.0.0.1; "": there is none.
func socketOf(port int) string {
	table, err := os.ReadFile("/proc/net/tcp")
	if err != nil {
		return ""
	}
	local := fmt.Sprintf("0100007F:%04X", port)
	for line := range strings.Lines(string(table)) {
		if f := strings.Fields(line); len(f) > 9 && f[1] == local && f[9] != "0" {
			return "socket:[" + f[9] + "]"
		}
	}
	return ""
}

// part lets two members of etcd not reach each other.
func (m *member) part(other *member) {
	m.peers.bar(comesFrom(other.Pid()))
	other.peers.bar(comesFrom(m.Pid()))
}

func (s *stage) healEtcd() {
	for _, m := range s.etcd {
		m.peers.heal()
	}
}

// partLeader leaves a leader alone; its clients still reach it.
func partLeader(s *stage, _ *rand.Rand) func() {
	leader := s.leader()
	leader.peers.cut()
	for _, m := range s.etcd {
		if m != leader {
			m.peers.bar(comesFrom(leader.Pid()))
		}
	}
	lasts(cutFor)
	return s.healEtcd
}

// partTwo lets a leader and one follower not reach each other: the third member reaches both.
func partTwo(s *stage, r *rand.Rand) func() {
	leader := s.leader()
	var others []*member
	for _, m := range s.etcd {
		if m != leader {
			others = append(others, m)
		}
	}
	leader.part(others[r.IntN(len(others))])
	lasts(cutFor)
	return s.healEtcd
}

// partAll leaves each member alone: there is no leader.
func partAll(s *stage, _ *rand.Rand) func() {
	for _, m := range s.etcd {
		m.peers.cut()
	}
	lasts(cutFor)
	return s.healEtcd
}
