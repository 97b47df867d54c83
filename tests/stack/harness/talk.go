package harness

import (
	"fmt"
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
