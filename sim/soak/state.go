package soak

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/firnlog/firnlog/sim"
)

// State is what all runs so far have come to.
type State struct {
	Next    map[string]uint64 // of each workload: the seed to go on with
	Runs    []*Run            // by commit, in the order of their beginnings
	Wrong   []*Wrong
	Running []Seed // when it was last written
}

// Run is what one commit has held.
type Run struct {
	Commit      string
	First, Last time.Time
	Wall        time.Duration // of workers, added up
	Workloads   map[string]*Total
}

// Total of a workload.
type Total struct {
	Histories, Operations, Transactions int
	Virtual, Wall                       time.Duration
	Faults                              map[string]int
}

// Seed names a history.
type Seed struct {
	Workload string
	Seed     uint64
}

// Wrong is a history that was found wrong.
type Wrong struct {
	Seed
	Commit        string
	Checker, What string
	Transcript    string // file
	// Holds is a later commit under which the same seed is not wrong any more.
	Holds string `json:",omitempty"`
	// Cause, as a person found it.
	Cause string `json:",omitempty"`
}

// Load reads a state; without a file there is an empty one.
func Load(path string) (*State, error) {
	s := &State{Next: map[string]uint64{}}
	body, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return s, nil
	case err != nil:
		return nil, fmt.Errorf("read state: %w", err)
	}
	if err := json.Unmarshal(body, s); err != nil {
		return nil, fmt.Errorf("decode state %s: %w", path, err)
	}
	return s, nil
}

// Save replaces the file as a whole.
func (s *State) Save(path string) error {
	body, err := json.MarshalIndent(s, "", " ")
	if err != nil {
		return fmt.Errorf("encode state: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("make folder of state: %w", err)
	}
	if err := os.WriteFile(path+".new", body, 0o644); err != nil {
		return fmt.Errorf("write state: %w", err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		return fmt.Errorf("replace state: %w", err)
	}
	return nil
}

// draw gives the next seed of a workload, and notes that it runs.
func (s *State) draw(workload string) Seed {
	s.Next[workload]++ // the first seed is 1
	seed := Seed{workload, s.Next[workload]}
	s.Running = append(s.Running, seed)
	return seed
}

// run is that of a commit.
func (s *State) run(commit string, now time.Time) *Run {
	i := slices.IndexFunc(s.Runs, func(r *Run) bool { return r.Commit == commit })
	if i < 0 {
		i = len(s.Runs)
		s.Runs = append(s.Runs, &Run{Commit: commit, First: now, Workloads: map[string]*Total{}})
	}
	s.Runs[i].Last = now
	return s.Runs[i]
}

// end adds a history that has come to its end.
func (s *State) end(commit string, seed Seed, told *sim.Told, wall time.Duration, now time.Time) {
	s.Running = slices.DeleteFunc(s.Running, func(r Seed) bool { return r == seed })
	run := s.run(commit, now)
	run.Wall += wall
	t := run.Workloads[seed.Workload]
	if t == nil {
		t = &Total{Faults: map[string]int{}}
		run.Workloads[seed.Workload] = t
	}
	t.add(&Total{Histories: 1, Operations: told.Operations, Transactions: told.Transactions, Virtual: told.Virtual, Wall: wall, Faults: told.Faults})
}

func (t *Total) add(o *Total) {
	t.Histories, t.Operations, t.Transactions = t.Histories+o.Histories, t.Operations+o.Operations, t.Transactions+o.Transactions
	t.Virtual, t.Wall = t.Virtual+o.Virtual, t.Wall+o.Wall
	for kind, n := range o.Faults {
		t.Faults[kind] += n
	}
}

// wrong notes that a history was.
func (s *State) wrong(w Wrong) { s.Wrong = append(s.Wrong, &w) }

// again are the histories that an older commit found wrong and none since then has found right.
func (s *State) again(commit string) (out []*Wrong) {
	for _, w := range s.Wrong {
		if w.Commit != commit && w.Holds == "" {
			out = append(out, w)
		}
	}
	return out
}
