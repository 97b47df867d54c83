package stack

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// State is what the folder's file says: what runs, and where.
type State struct {
	// Supervisor is the process that runs the stack; none once it has stopped.
	Supervisor *Process       `json:"supervisor,omitempty"`
	Ready      bool           `json:"ready"`
	Processes  []Process      `json:"processes,omitempty"`
	Ports      map[string]int `json:"ports,omitempty"` // of the last run: the next one takes them again
	Summary    *Summary       `json:"summary,omitempty"`
}

// Process is one that the stack has started, or that runs it.
type Process struct {
	Name    string `json:"name"`
	PID     int    `json:"pid"`
	Started string `json:"started"` // tells it from another one that gets its id later
	Log     string `json:"log,omitempty"`
}

// Lives says whether it is still this process.
func (p *Process) Lives() bool {
	if p == nil || p.PID <= 0 || p.Started == "" {
		return false
	}
	started, err := startOf(p.PID)
	return err == nil && started == p.Started
}

// end ends it if it is still this process, and waits until it is gone: first politely, then not.
func (p *Process) end(grace time.Duration) (was bool) {
	if !p.Lives() {
		return false
	}
	for _, signal := range []os.Signal{syscall.SIGTERM, os.Kill} {
		process, err := os.FindProcess(p.PID)
		if err != nil {
			return true
		}
		_ = process.Signal(signal) // has ended meanwhile: as good
		for begin := time.Now(); time.Since(begin) < grace; time.Sleep(pollEvery) {
			if !p.Lives() {
				return true
			}
		}
	}
	return true
}

// endAll ends what an earlier run has left behind.
func endAll(list []Process, say func(string, ...any)) {
	for i := len(list) - 1; i >= 0; i-- {
		if list[i].end(graceMax) {
			say("  ended %s (process %d), left behind by an earlier run", list[i].Name, list[i].PID)
		}
	}
}

func statePath(dir string) string { return filepath.Join(dir, "state.json") }

// readState reads the file; without one nothing has ever run there.
func readState(dir string) (*State, error) {
	raw, err := os.ReadFile(statePath(dir))
	if errors.Is(err, fs.ErrNotExist) {
		return &State{}, nil
	}
	st := &State{}
	if err == nil {
		err = json.Unmarshal(raw, st)
	}
	if err != nil {
		return nil, fmt.Errorf("read state of the stack: %w", err)
	}
	return st, nil
}

// stateFile is the file of the stack that runs here.
type stateFile struct {
	dir   string
	mu    sync.Mutex // keepers and the start write
	state State
}

func newStateFile(dir string, old *State) (*stateFile, error) {
	pid := os.Getpid()
	started, err := startOf(pid)
	if err != nil {
		return nil, err
	}
	f := &stateFile{dir: dir, state: State{Supervisor: &Process{Name: "stack", PID: pid, Started: started}, Ports: old.Ports}}
	return f, f.change(func(*State) {})
}

func (f *stateFile) running(list []Process) error {
	return f.change(func(st *State) { st.Processes = list })
}

func (f *stateFile) ready(ports map[string]int, summary *Summary) error {
	return f.change(func(st *State) { st.Ready, st.Ports, st.Summary = true, ports, summary })
}

func (f *stateFile) stopped() {
	_ = f.change(func(st *State) { *st = State{Ports: st.Ports, Summary: st.Summary} }) // what it names has ended, and is known by its start
}

// change replaces the file as a whole.
func (f *stateFile) change(edit func(*State)) error {
	f.mu.Lock()
	edit(&f.state)
	raw, err := json.MarshalIndent(&f.state, "", "  ")
	f.mu.Unlock()
	if err != nil {
		return fmt.Errorf("write state of the stack: %w", err)
	}
	next, err := os.CreateTemp(f.dir, "state-*")
	if err != nil {
		return fmt.Errorf("write state of the stack: %w", err)
	}
	_, err = next.Write(append(raw, '\n'))
	err = errors.Join(err, next.Close())
	if err == nil {
		err = os.Rename(next.Name(), statePath(f.dir))
	}
	if err != nil {
		return fmt.Errorf("write state of the stack: %w", err)
	}
	return nil
}
