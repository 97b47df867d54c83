// Package lambda runs functions on this machine as Lambda does: it starts the unchanged bootstrap of each, speaks the Runtime API
// with it, and freezes its process (SIGSTOP) whenever it has no invocation.
//
//	caller ─► Invoke API or Function URL ─► an environment that rests, else a new one, else 429
//	                                         thaw ─► GET next is answered ─► POST response or error ─► GET next ─► freeze
//
// As on Lambda: one invocation at a time in each environment; requests and answers of at most 6 MB; who takes longer than the
// time-out is killed, and so is who crashes, and the next invocation begins in a new environment; what is not finished
// when an answer is given stands still until the next invocation.
//
// Owns: environments, the Runtime API, the Invoke API (as aws-sdk-go-v2's client speaks it), Function URLs. Does not own: queues and
// schedules, and limits of memory and CPU, which are not enforced.
package lambda

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"sync"
	"time"
)

// Settings of a function.
type Settings struct {
	Name        string
	Bootstrap   string   // the program
	Env         []string // NAME=value, beside what Lambda sets
	Timeout     time.Duration
	Concurrency int    // environments at a time; more invocations get 429
	LogFile     string // gets what the function prints; "": nobody does
}

// BytesMax is how large a request or an answer may be.
const BytesMax = 6 << 20

// Errors of Invoke, asked for with errors.Is. Nothing was executed.
var (
	ErrUnknownFunction = errors.New("function not found")
	ErrThrottled       = errors.New("too many invocations at a time")
	ErrTooLarge        = errors.New("request is larger than 6 MB")
)

// Result is what became of an invocation.
type Result struct {
	Payload []byte
	// FunctionError is "Unhandled" when the function failed; Payload says how then.
	FunctionError string
	Cold          bool
	Init          time.Duration // of a cold start: from exec until it asked for work
	Took          time.Duration // the invocation itself
	PeakBytes     int64         // most memory that the process has had so far; 0 where the system does not tell
}

// Service runs functions. Close it.
type Service struct {
	mu struct {
		sync.Mutex
		functions map[string]*function
		closed    bool
	}
	servers []*http.Server
}

// function is one with its environments.
type function struct {
	Settings
	resting []*environment
	all     map[*environment]bool
	starts  int // environments that are being started count for Concurrency
}

// New makes a Service without functions.
func New() *Service {
	s := &Service{}
	s.mu.functions = map[string]*function{}
	return s
}

// Add makes a function known; nothing is started before it is invoked.
func (s *Service) Add(f Settings) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.functions[f.Name] = &function{Settings: f, all: map[*environment]bool{}}
}

// Invoke runs a function once. It waits for the end of the invocation whatever becomes of ctx, as Lambda does.
func (s *Service) Invoke(_ context.Context, name string, payload []byte) (Result, error) {
	if len(payload) > BytesMax {
		return Result{}, ErrTooLarge
	}
	e, f, err := s.take(name)
	if err != nil {
		return Result{}, err
	}
	cold := e == nil
	if cold {
		e = start(f.Settings)
	}
	s.mu.Lock()
	if cold {
		f.starts--
		f.all[e] = true
	}
	closed := s.mu.closed
	s.mu.Unlock()
	if closed {
		e.kill()
	}
	result := e.invoke(payload)
	result.Cold = cold
	s.giveBack(f, e)
	return result, nil
}

// take gives an environment that rests, or room to start one.
func (s *Service) take(name string) (*environment, *function, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.mu.functions[name]
	if f == nil || s.mu.closed {
		return nil, nil, fmt.Errorf("%w: %s", ErrUnknownFunction, name)
	}
	if n := len(f.resting); n > 0 {
		e := f.resting[n-1]
		f.resting = f.resting[:n-1]
		return e, f, nil
	}
	if len(f.all)+f.starts >= f.Concurrency {
		return nil, nil, ErrThrottled
	}
	f.starts++
	return nil, f, nil
}

// giveBack freezes an environment that may be used again, and forgets one that has ended.
func (s *Service) giveBack(f *function, e *environment) {
	usable := e.rest()
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case !usable:
		delete(f.all, e)
	case f.all[e]:
		f.resting = append(f.resting, e)
	}
}

// Recycle ends all environments of a function: the next invocation is a cold start.
func (s *Service) Recycle(name string) {
	s.mu.Lock()
	var ending []*environment
	if f := s.mu.functions[name]; f != nil {
		for e := range f.all {
			ending = append(ending, e)
		}
		f.all, f.resting = map[*environment]bool{}, nil
	}
	s.mu.Unlock()
	for _, e := range ending {
		e.kill()
	}
}

// Close ends all environments and servers.
func (s *Service) Close() {
	s.mu.Lock()
	s.mu.closed = true
	var names []string
	for name := range s.mu.functions {
		names = append(names, name)
	}
	servers := s.servers
	s.mu.Unlock()
	for _, name := range names {
		s.Recycle(name)
	}
	for _, server := range servers {
		server.Close()
	}
}

// Listen serves the Invoke API on an address of this machine, and gives its URL: what a Lambda client takes as its endpoint.
func (s *Service) Listen(address string) (string, error) { return s.serve(address, s.api()) }

// ListenURL serves the Function URL of a function.
func (s *Service) ListenURL(address, name string) (string, error) {
	return s.serve(address, &functionURL{s, name})
}

func (s *Service) serve(address string, h http.Handler) (string, error) {
	ln, err := net.Listen("tcp", address)
	if err != nil {
		return "", fmt.Errorf("listen for invocations: %w", err)
	}
	server := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
	s.mu.Lock()
	s.servers = append(s.servers, server)
	s.mu.Unlock()
	go func() {
		if err := server.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			fmt.Fprintln(os.Stderr, "local lambda:", err)
		}
	}()
	return "http://" + ln.Addr().String(), nil
}
