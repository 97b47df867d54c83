package soak

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/firnlog/firnlog/sim"
)

// Settings of a run.
type Settings struct {
	Path    string // of the state
	Commit  string // of the code that runs
	Workers int
	// Workloads with how many histories of each go together.
	Workloads []Share
	// HistoryMax is the wall time after which a history is taken for one that never ends.
	HistoryMax time.Duration
	// Histories, if not zero, is how many there are at most.
	Histories int
}

// Share of a workload.
type Share struct {
	sim.Workload
	Of int
}

// Shares of all workloads, as they are run.
func Shares() (out []Share) {
	of := map[string]int{"log": 4, "queues": 3, "groups": 3}
	for _, w := range sim.Workloads() {
		out = append(out, Share{w, of[w.Name]})
	}
	return out
}

// worker is a run; its methods lock the state.
type worker struct {
	Settings
	mu struct {
		sync.Mutex
		state   *State
		started int
	}
}

// Work runs histories until ctx ends.
func Work(ctx context.Context, t *testing.T, s Settings) error {
	state, err := Load(s.Path)
	if err != nil {
		return err
	}
	w := &worker{Settings: s}
	w.mu.state = state
	state.Running = nil
	w.repeat(ctx, t)
	t.Run("histories", func(t *testing.T) {
		for i := range s.Workers {
			t.Run(fmt.Sprint(i), func(t *testing.T) {
				t.Parallel()
				for ctx.Err() == nil && w.one(t) {
				}
			})
		}
	})
	return w.save()
}

// pick chooses the next history: workloads take turns by their shares.
func (w *worker) pick() (load sim.Workload, seed Seed, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.Histories > 0 && w.mu.started >= w.Histories {
		return load, seed, false
	}
	w.mu.started++
	least := -1.
	for i := range w.Workloads {
		s := &w.Workloads[i]
		if done := float64(w.mu.state.Next[s.Name]) / float64(s.Of); least < 0 || done < least {
			least, load = done, s.Workload
		}
	}
	return load, w.mu.state.draw(load.Name), true
}

// one runs one history; false: there are no more.
func (w *worker) one(t *testing.T) bool {
	load, seed, ok := w.pick()
	if !ok {
		return false
	}
	if err := w.save(); err != nil {
		t.Error(err)
		return false
	}
	told, wall := w.history(t, load, seed)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.mu.state.end(w.Commit, seed, told, wall, time.Now())
	for _, wrong := range told.Wrong[:min(1, len(told.Wrong))] {
		w.mu.state.wrong(Wrong{Seed: seed, Commit: w.Commit, Checker: wrong.Checker, What: wrong.What, Transcript: w.write(seed, told)})
		t.Logf("WRONG: %s, seed %d: %s: %s", seed.Workload, seed.Seed, wrong.Checker, wrong.What)
	}
	return true
}

// history runs one, and ends the process when it does not come to its end: who supervises counts it as wrong.
func (w *worker) history(t *testing.T, load sim.Workload, seed Seed) (*sim.Told, time.Duration) {
	begun := time.Now()
	never := time.AfterFunc(w.HistoryMax, func() {
		panic(fmt.Sprintf("%s, seed %d: no end after %v", seed.Workload, seed.Seed, w.HistoryMax))
	})
	defer never.Stop()
	told := load.Run(t, seed.Seed)
	return &told, time.Since(begun)
}

// write keeps a transcript and gives its name.
func (w *worker) write(seed Seed, told *sim.Told) string {
	name := fmt.Sprintf("%s.%s-%d-%s.txt", w.Path, seed.Workload, seed.Seed, w.Commit)
	var b strings.Builder
	for _, wrong := range told.Wrong {
		fmt.Fprintf(&b, "%s: %s\n", wrong.Checker, wrong.What)
	}
	b.WriteString(strings.Join(told.Transcript(), "\n"))
	if err := os.WriteFile(name, []byte(b.String()), 0o644); err != nil {
		return err.Error()
	}
	return filepath.Base(name)
}

// repeat runs again what an older commit found wrong.
func (w *worker) repeat(ctx context.Context, t *testing.T) {
	for _, old := range w.mu.state.again(w.Commit) {
		for _, load := range w.Workloads {
			if load.Name != old.Workload || ctx.Err() != nil {
				continue
			}
			w.mu.state.Running = []Seed{old.Seed}
			_ = w.save() // the next one says so
			if told, _ := w.history(t, load.Workload, old.Seed); len(told.Wrong) == 0 {
				old.Holds = w.Commit
			}
			w.mu.state.Running = nil
		}
	}
}

func (w *worker) save() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.mu.state.Save(w.Path)
}
