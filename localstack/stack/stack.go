// Package stack runs all of firnlog on this machine as it runs in a cloud: MinIO, etcd and brokers as processes, the functions as Lambda
// runs them, a queue, and a schedule.
//
//	New(settings).Run(ctx)
//	  lock the folder ─► end what an earlier run has left ─► ports ─► MinIO, etcd ─► bucket ─► brokers ─► functions, queue, schedule ─► ready
//	  … until ctx ends; a process that ends meanwhile is started again …
//	  functions ◄─ brokers (flush, acknowledge, leave) ◄─ etcd, MinIO                                      everything has ended
//
// Everything listens on 127.0.0.1. The folder holds the data, the logs, and a file that says what runs (state.go): status and down read it, also
// from another terminal. Only processes that this stack has started are ever ended: a process is known by its id and the time it started.
//
// Owns: processes and their order, ports, the folder, the table of functions (functions.go). Does not own: what a function's environment
// is (localstack/lambda), what a queue does (localstack/queue), and the settings of brokers and functions.
package stack

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"go.etcd.io/etcd/client/pkg/v3/fileutil"
)

// Settings of a stack.
type Settings struct {
	Dir string // holds all there is of it
	// Programs: names are looked for in PATH, and in Tools.
	Firnlog, MinIO, Etcd string
	Tools                string
	// Functions is a folder with one program for each function.
	Functions string
	// More are functions of the user: programs by name.
	More map[string]string
	// Env is NAME=value for all functions.
	Env         []string
	Concurrency int // environments of a function at a time
	Brokers     int
	Linger      time.Duration
	// PortFirst: ports are this one and those that follow; 0: those of the last run, or free ones.
	PortFirst int
	Queue     QueueSettings
	Every     time.Duration // of schedules
	// Command and Arguments are how firnlog stack is called for this folder, for the commands that the summary shows.
	Command, Arguments string
	Out                io.Writer    // progress and the addresses
	Log                *slog.Logger // what queue and schedule have to say
}

// QueueSettings are those of the queue that feeds the function that produces.
type QueueSettings struct {
	BatchMax    int
	Window      time.Duration
	Visibility  time.Duration
	ReceivesMax int
}

// Errors, asked for with errors.Is.
var (
	// ErrRunning: another process runs the stack of this folder.
	ErrRunning = errors.New("the stack of this folder runs")
	// ErrMissing: a program is not there.
	ErrMissing = errors.New("program not found")
	// ErrPort: an address that was asked for is in use.
	ErrPort = errors.New("port in use")
)

// Credentials of the bucket, and what any AWS client is content with: of no use elsewhere.
const (
	accessKey = "firnlog"
	secretKey = "firnlog-local-stack"
	region    = "us-east-1"
	bucket    = "firnlog"
)

const (
	readyMax = 2 * time.Minute // for a process on a busy machine
	graceMax = 12 * time.Second
)

// Stack is one on its way. Run it once.
type Stack struct {
	Settings
	file     *stateFile
	children []*child // in the order of their start
	keepers  sync.WaitGroup
	began    time.Time
}

// New makes a stack; nothing is started.
func New(s Settings) *Stack { return &Stack{Settings: s} }

// Run starts all of it, says so, and ends all of it when ctx ends: nil then. ErrRunning: somebody else runs it already.
func (s *Stack) Run(ctx context.Context) error {
	dir, err := filepath.Abs(s.Dir)
	if err != nil {
		return fmt.Errorf("folder of the stack: %w", err)
	}
	s.Dir, s.began = dir, time.Now()
	if err := os.MkdirAll(filepath.Join(dir, "logs"), 0o700); err != nil {
		return fmt.Errorf("folder of the stack: %w", err)
	}
	lock, err := lockDir(ctx, dir)
	if err != nil {
		return err
	}
	defer lock.Close()
	old, err := readState(dir)
	if err != nil {
		return err
	}
	endAll(old.Processes, s.say)
	if s.file, err = newStateFile(dir, old); err != nil {
		return err
	}
	running, cancel := context.WithCancel(ctx)
	defer cancel()
	defer func() {
		cancel()
		s.keepers.Wait()
		s.endChildren()
		s.file.stopped()
	}()
	return s.up(running)
}

// lockDir makes this process the one that runs the stack of a folder. One that was killed a moment ago may hold the lock for as long as
// the system takes to end it.
func lockDir(ctx context.Context, dir string) (*fileutil.LockedFile, error) {
	const patience = 10 * time.Second
	for begin := time.Now(); ; {
		lock, err := fileutil.TryLockFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_WRONLY, 0o600)
		switch _, down := Look(dir); {
		case err == nil:
			return lock, nil
		case !errors.Is(err, fileutil.ErrLocked):
			return nil, fmt.Errorf("lock %s: %w", dir, err)
		case down == nil || time.Since(begin) > patience:
			return nil, fmt.Errorf("%w: %s", ErrRunning, dir)
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(pollEvery):
		}
	}
}

// up starts everything and waits for the end of ctx.
func (s *Stack) up(ctx context.Context) error {
	if err := s.find(); err != nil {
		return err
	}
	s.say("firnlog stack in %s", s.Dir)
	ports := newPorts(s.PortFirst, s.file.state.Ports)
	servers, err := s.startServers(ctx, ports)
	if err != nil {
		return early(ctx, err)
	}
	if err := s.startBrokers(ctx, ports, servers); err != nil {
		return early(ctx, err)
	}
	f, err := s.startFunctions(ctx, ports, servers)
	if f != nil {
		defer f.close()
	}
	if err != nil {
		return early(ctx, err)
	}
	summary := s.summary(servers, f)
	if err := s.file.ready(ports.taken, summary); err != nil {
		return err
	}
	s.say("up after %.1f s\n\n%s", time.Since(s.began).Seconds(), summary.Text())
	<-ctx.Done()
	s.say("stopping")
	return nil
}

// early is the error of a start; being told to stop meanwhile is none.
func early(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

func (s *Stack) say(format string, args ...any) { fmt.Fprintf(s.Out, format+"\n", args...) }

// step runs a part of the start with a line about it.
func (s *Stack) step(what string, do func() (detail string, err error)) error {
	begin := time.Now()
	detail, err := do()
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	s.say("  %-14s ready after %4.1f s  %s", what, time.Since(begin).Seconds(), detail)
	return nil
}

// endChildren ends all processes, what was started last first; brokers together.
func (s *Stack) endChildren() {
	var group sync.WaitGroup
	last := ""
	for i := len(s.children) - 1; i >= 0; i-- {
		c := s.children[i]
		kind, _, _ := strings.Cut(c.name, "-")
		if kind != last {
			group.Wait()
		}
		last = kind
		group.Go(func() { c.stop(graceMax) })
	}
	group.Wait()
	if len(s.children) > 0 {
		s.say("stopped; data and logs stay in %s", s.Dir)
	}
}
