package harness

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// Talk is a client program that waits for words on its standard input between its steps.
type Talk struct {
	*Process
	input *os.File
}

// StartTalk starts one.
func StartTalk(t testing.TB, name, program string, args ...string) *Talk {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		t.Fatal(err)
	}
	talk := &Talk{Process: NewProcess(t, name, path, nil, args...)}
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { write.Close() })
	talk.stdin, talk.input = read, write
	talk.Start()
	read.Close() // the program has it now
	return talk
}

// CallBack starts one that is given an address, and waits until it connects to that: what it has to tell comes on the connection.
func CallBack(t testing.TB, start func(address string) *Talk) (*Talk, net.Conn) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	talk := start(listener.Addr().String())
	if err := listener.(*net.TCPListener).SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	conn, err := listener.Accept()
	if err != nil {
		t.Fatalf("%s does not come: %v", talk.Name, err)
	}
	return talk, conn
}

// Say sends a line.
func (k *Talk) Say(line string) {
	k.t.Helper()
	if _, err := fmt.Fprintln(k.input, line); err != nil {
		k.t.Fatalf("say %q to %s: %v", line, k.Name, err)
	}
}

// Hear waits for a line NAME=VALUE and gives the value.
func (k *Talk) Hear(name string) string {
	k.t.Helper()
	line := k.Line(name+"=", time.Minute)
	return strings.TrimPrefix(line, name+"=")
}
