package harness

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Process is a program that a test started. It can be started again after it has ended.
type Process struct {
	Name string
	t    testing.TB
	path string
	args []string
	env  []string
	log  string // file that gets standard output and error of all its lives

	stdin *os.File // nil: nothing to read

	mu struct {
		sync.Mutex
		life *life
	}
}

// life is one run of the program.
type life struct {
	cmd   *exec.Cmd
	from  int64 // where its output begins in the log
	ended chan struct{}
	err   error // when ended
}

// NewProcess prepares a process. It ends with the test; when that failed, the end of its log is printed.
func NewProcess(t testing.TB, name, path string, env []string, args ...string) *Process {
	t.Helper()
	p := &Process{
		Name: name, t: t, path: path, args: args,
		env: append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME")}, env...),
		log: filepath.Join(t.TempDir(), name+".log"),
	}
	t.Cleanup(func() {
		p.Kill()
		if t.Failed() {
			t.Logf("%s said last:\n%s", name, tail(p.log, 6<<10))
		}
	})
	return p
}

// Use makes it another program, with the same arguments, from the next start on.
func (p *Process) Use(path string) { p.path = path }

// Start runs the program.
func (p *Process) Start() {
	p.t.Helper()
	file, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		p.t.Fatal(err)
	}
	defer file.Close()
	l := &life{cmd: exec.Command(p.path, p.args...), ended: make(chan struct{})}
	if info, err := file.Stat(); err == nil {
		l.from = info.Size()
	}
	l.cmd.Env, l.cmd.Stdout, l.cmd.Stderr = p.env, file, file
	if p.stdin != nil {
		l.cmd.Stdin = p.stdin
	}
	l.cmd.SysProcAttr = dieWithParent()
	if err := l.cmd.Start(); err != nil {
		p.t.Fatalf("start %s: %v", p.Name, err)
	}
	go func() {
		l.err = l.cmd.Wait()
		close(l.ended)
	}()
	p.mu.Lock()
	p.mu.life = l
	p.mu.Unlock()
}

func (p *Process) current() *life {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.mu.life
}

// Pid is its process id; 0 before it was started.
func (p *Process) Pid() int {
	if l := p.current(); l != nil {
		return l.cmd.Process.Pid
	}
	return 0
}

// Signal sends a signal; one that has ended gets none.
func (p *Process) Signal(s syscall.Signal) {
	p.t.Helper()
	l := p.current()
	if l == nil {
		return
	}
	if err := l.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.t.Errorf("signal %v to %s: %v", s, p.Name, err)
	}
}

// Kill ends it at once (kill -9) and waits until it is gone.
func (p *Process) Kill() {
	p.t.Helper()
	l := p.current()
	if l == nil {
		return
	}
	p.Signal(syscall.SIGKILL)
	<-l.ended
}

// Pause stops it in the middle of whatever it does (SIGSTOP); Continue lets it go on.
func (p *Process) Pause() { p.t.Helper(); p.Signal(syscall.SIGSTOP) }

// Continue lets a paused process go on.
func (p *Process) Continue() { p.t.Helper(); p.Signal(syscall.SIGCONT) }

// Stop asks it to end (SIGTERM) and gives how long that took. Anything but exit code 0 within
// the limit is an error.
func (p *Process) Stop(limit time.Duration) time.Duration {
	p.t.Helper()
	l, start := p.current(), time.Now()
	p.Signal(syscall.SIGTERM)
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-l.ended:
		if l.err != nil {
			p.t.Errorf("%s ended after SIGTERM with: %v", p.Name, l.err)
		}
	case <-timer.C:
		p.t.Errorf("%s has not ended %v after SIGTERM", p.Name, limit)
		p.Kill()
	}
	return time.Since(start)
}

// Wait waits until it ends by itself and gives its exit code; -1: it has not, within the limit.
func (p *Process) Wait(limit time.Duration) int {
	p.t.Helper()
	l := p.current()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-l.ended:
		return l.cmd.ProcessState.ExitCode()
	case <-timer.C:
		p.t.Errorf("%s has not ended after %v", p.Name, limit)
		p.Kill()
		return -1
	}
}

// Ended says whether it runs no more.
func (p *Process) Ended() bool {
	l := p.current()
	if l == nil {
		return true
	}
	select {
	case <-l.ended:
		return true
	default:
		return false
	}
}

// Line waits for a line of this life's output that begins with prefix, and gives it.
func (p *Process) Line(prefix string, limit time.Duration) string {
	p.t.Helper()
	return p.await(prefix, limit, strings.HasPrefix)
}

// Said waits for a line of this life's output that contains a text.
func (p *Process) Said(text string) {
	p.t.Helper()
	p.await(text, time.Minute, strings.Contains)
}

func (p *Process) await(text string, limit time.Duration, fits func(line, text string) bool) (found string) {
	p.t.Helper()
	Await(p.t, limit, p.Name+" says "+text, func() error {
		ended := p.Ended() // before the output is read: then nothing comes after it
		for line := range strings.Lines(p.Output()) {
			if fits(line, text) && strings.HasSuffix(line, "\n") {
				found = strings.TrimSpace(line)
				return nil
			}
		}
		if ended {
			p.t.Fatalf("%s ended before it said %q: %v\n%s", p.Name, text, p.current().err, tail(p.log, 6<<10))
		}
		return errors.New("no such line yet")
	})
	return found
}

// Output is what this life has said so far.
func (p *Process) Output() string {
	l := p.current()
	if l == nil {
		return ""
	}
	b, err := os.ReadFile(p.log)
	if err != nil || int64(len(b)) < l.from {
		return ""
	}
	return string(b[l.from:])
}

func tail(path string, limit int) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return fmt.Sprint(err)
	}
	if len(b) > limit {
		return "…" + string(b[len(b)-limit:])
	}
	return string(b)
}
