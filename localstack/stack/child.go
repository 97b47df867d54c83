package stack

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// child is a process of the stack.
type child struct {
	name, program string
	args, env     []string
	log           string

	mu struct {
		sync.Mutex
		life *life
	}
}

// life is one run of its program.
type life struct {
	cmd   *exec.Cmd
	ended chan struct{}
	err   error // once it has ended
}

const (
	pollEvery  = 50 * time.Millisecond
	againAfter = time.Second // a process that has ended is started again
	tailBytes  = 2 << 10
)

// start starts a program of the stack and notes it.
func (s *Stack) start(name, program string, env []string, args ...string) (*child, error) {
	c := &child{
		name: name, program: program, args: args, log: filepath.Join(s.Dir, "logs", name+".log"),
		env: append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME")}, env...),
	}
	if err := c.run(); err != nil {
		return nil, err
	}
	s.children = append(s.children, c)
	return c, s.note()
}

// note writes down what runs.
func (s *Stack) note() error {
	var list []Process
	for _, c := range s.children {
		list = append(list, c.process())
	}
	return s.file.running(list)
}

func (c *child) run() error {
	log, err := os.OpenFile(c.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("log of %s: %w", c.name, err)
	}
	defer log.Close()
	l := &life{cmd: exec.Command(c.program, c.args...), ended: make(chan struct{})}
	l.cmd.Env, l.cmd.Stdout, l.cmd.Stderr, l.cmd.SysProcAttr = c.env, log, log, ofOurs()
	if err := l.cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", c.name, err)
	}
	go func() {
		l.err = l.cmd.Wait()
		close(l.ended)
	}()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mu.life = l
	return nil
}

func (c *child) current() *life {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.mu.life
}

func (c *child) process() Process {
	pid := c.current().cmd.Process.Pid
	started, _ := startOf(pid) // has ended already: no process will ever be taken for it
	return Process{Name: c.name, PID: pid, Started: started, Log: c.log}
}

// await waits until the process serves; that it has ended is an error with what it said last.
func (c *child) await(ctx context.Context, serves func(context.Context) error) error {
	l := c.current()
	ctx, cancel := context.WithTimeout(ctx, readyMax)
	defer cancel()
	for {
		once, done := context.WithTimeout(ctx, 5*time.Second)
		err := serves(once)
		done()
		if err == nil {
			return nil
		}
		select {
		case <-l.ended:
			return fmt.Errorf("%s ended (%w); it said last:\n%s", c.name, errors.Join(l.err, errEnded), tail(c.log))
		case <-ctx.Done():
			return fmt.Errorf("%s does not serve: %w; its log is %s", c.name, err, c.log)
		case <-time.After(pollEvery):
		}
	}
}

var errEnded = errors.New("at its start")

// keep starts processes again that end before ctx does.
func (s *Stack) keep(ctx context.Context, c *child) {
	s.keepers.Go(func() {
		for {
			l := c.current()
			select {
			case <-ctx.Done():
				return
			case <-l.ended:
			}
			select {
			case <-ctx.Done():
				return
			case <-time.After(againAfter):
			}
			s.say("%s ended (%v), it is started again; its log is %s", c.name, l.err, c.log)
			if err := c.run(); err != nil {
				s.say("%v", err)
				continue
			}
			if err := s.note(); err != nil {
				s.say("%v", err)
			}
		}
	})
}

// stop asks it to end, and makes it end when it takes longer.
func (c *child) stop(grace time.Duration) {
	l := c.current()
	_ = l.cmd.Process.Signal(syscall.SIGTERM) // has ended: as good
	select {
	case <-l.ended:
	case <-time.After(grace):
		_ = l.cmd.Process.Kill()
		<-l.ended
	}
}

// tail is the end of a log.
func tail(path string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(string(b[max(0, len(b)-tailBytes):]))
}
