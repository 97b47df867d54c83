package stack

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// sleeper starts a process that does nothing, and ends it with the test.
func sleeper(t *testing.T) (*exec.Cmd, Process, <-chan struct{}) {
	t.Helper()
	cmd := exec.Command("sleep", "600")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	t.Cleanup(func() { _ = cmd.Process.Kill(); <-ended })
	started, err := startOf(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	return cmd, Process{Name: "sleep", PID: cmd.Process.Pid, Started: started}, ended
}

// A process id is given again by the system: only the time of its start tells whether it is the one that was started here.
func TestDown_EndsWhatAnEarlierRunLeftAndNothingElse(t *testing.T) {
	dir := t.TempDir()
	_, ours, ended := sleeper(t)
	_, other, otherEnded := sleeper(t)
	other.Started = ours.Started + "1"
	f := &stateFile{dir: dir, state: State{Supervisor: &Process{PID: os.Getpid(), Started: "another process"}, Processes: []Process{ours, other}}}
	if err := f.change(func(*State) {}); err != nil {
		t.Fatal(err)
	}
	if _, err := Look(dir); !errors.Is(err, ErrDown) {
		t.Errorf("look: %v", err)
	}
	var said bytes.Buffer
	if err := Down(dir, func(format string, args ...any) { fmt.Fprintf(&said, format+"\n", args...) }); err != nil {
		t.Fatal(err)
	}
	select {
	case <-ended:
	case <-time.After(10 * time.Second):
		t.Error("what was left behind runs still")
	}
	select {
	case <-otherEnded:
		t.Error("a process was ended that only has the id of one of the stack's")
	default:
	}
	if !strings.Contains(said.String(), "left behind") {
		t.Errorf("said %q", said.String())
	}
	if err := Down(dir, func(string, ...any) {}); err != nil {
		t.Errorf("down again: %v", err)
	}
}

func TestWipe_DeletesOnlyWhatAStackKeeps(t *testing.T) {
	dir := t.TempDir()
	if err := Wipe(dir); err == nil {
		t.Error("a folder of something else was wiped")
	}
	f := &stateFile{dir: dir}
	f.stopped()
	for _, name := range []string{"mine", "etcd"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := Wipe(dir); err != nil {
		t.Fatal(err)
	}
	left, _ := os.ReadDir(dir)
	if len(left) != 1 || left[0].Name() != "mine" {
		t.Errorf("left: %v", left)
	}
}

func TestPorts_AreCountedOrThoseOfTheLastRunOrFree(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	used := l.Addr().(*net.TCPAddr).Port
	p := newPorts(0, map[string]int{"a": used})
	a, err := p.address("a")
	if err != nil || a == local(used) {
		t.Errorf("a: %s, %v: that one is in use", a, err)
	}
	b, err := p.address("b")
	if err != nil || a == b {
		t.Errorf("b: %s, %v; a has %s", b, err, a)
	}
	again := newPorts(0, p.taken)
	if c, err := again.address("a"); err != nil || c != a {
		t.Errorf("a of the next run: %s, %v; want %s", c, err, a)
	}
	if _, err := newPorts(used, nil).address("a"); !errors.Is(err, ErrPort) {
		t.Errorf("a port that is in use: %v", err)
	}
}

func TestRun_SaysWhichProgramsAreMissingAndHowToGetThem(t *testing.T) {
	var out bytes.Buffer
	dir := t.TempDir()
	s := New(Settings{Dir: dir, MinIO: "no-such-minio", Etcd: "no-such-etcd", Firnlog: os.Args[0], Tools: t.TempDir(), Out: &out})
	err := s.Run(t.Context())
	if !errors.Is(err, ErrMissing) || !strings.Contains(err.Error(), "no-such-minio, no-such-etcd") || !strings.Contains(err.Error(), "make tools") {
		t.Errorf("%v", err)
	}
	if st, err := Look(dir); !errors.Is(err, ErrDown) || st.Supervisor != nil {
		t.Errorf("afterwards: %+v, %v", st, err)
	}
}

func TestRun_AProgramThatEndsAtItsStartIsAnErrorWithItsLastWords(t *testing.T) {
	dir := t.TempDir()
	program := filepath.Join(dir, "broken")
	if err := os.WriteFile(program, []byte("#!/bin/sh\necho no disk >&2\nexit 3\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	s := New(Settings{Dir: filepath.Join(dir, "stack"), MinIO: program, Etcd: program, Firnlog: program, Out: &bytes.Buffer{}})
	if err := s.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "no disk") {
		t.Errorf("%v", err)
	}
}

func TestSchedule_InvokesInItsTimeAndGoesOnAfterAFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		var at []time.Duration
		var event scheduled
		c := &schedule{Name: "maintenance", Every: time.Minute, Now: time.Now, Log: slog.New(slog.DiscardHandler), Invoke: func(_ context.Context, raw []byte) ([]byte, error) {
			at = append(at, time.Since(begin))
			if err := json.Unmarshal(raw, &event); err != nil {
				t.Error(err)
			}
			if len(at) == 1 {
				return nil, errors.New("failed")
			}
			time.Sleep(150 * time.Second)
			return nil, nil
		}}
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
		defer cancel()
		c.run(ctx)
		// The one of two minutes takes until 4:30; what was due meanwhile is one invocation.
		if len(at) != 3 || at[0] != time.Minute || at[1] != 2*time.Minute || at[2] != 270*time.Second {
			t.Errorf("invoked at %v", at)
		}
		if event.Source != "aws.scheduler" || event.DetailType != "Scheduled Event" || event.Detail != "{}" || len(event.Resources) != 1 {
			t.Errorf("event: %+v", event)
		}
	})
}

func TestRun_WaitsForALockOfAProcessThatIsJustEnding(t *testing.T) {
	dir := t.TempDir()
	held, err := lockDir(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(300*time.Millisecond, func() { held.Close() })
	again, err := lockDir(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if _, err := newStateFile(dir, &State{}); err != nil { // now somebody lives who holds it
		t.Fatal(err)
	}
	if other, err := lockDir(t.Context(), dir); !errors.Is(err, ErrRunning) {
		other.Close()
		t.Errorf("the lock was given twice: %v", err)
	}
}
