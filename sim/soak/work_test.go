package soak

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/firnlog/firnlog/sim"
)

// fake is a workload whose histories take no time; those of some seeds are wrong.
func fake(name string, ran *[]uint64, wrong func(uint64) bool) Share {
	return Share{sim.Workload{Name: name, Run: func(_ *testing.T, seed uint64) sim.Told {
		*ran = append(*ran, seed)
		told := sim.Told{Tally: sim.Tally{Virtual: time.Hour, Operations: 10, Faults: map[string]int{"kill": 1}}, Transcript: func() []string { return []string{"a call"} }}
		if wrong(seed) {
			told.Wrong = []sim.Wrong{{Checker: "lost", What: "it is gone"}}
		}
		return told
	}}, 1}
}

func never(uint64) bool { return false }

func settings(t *testing.T, commit string, shares ...Share) Settings {
	return Settings{Path: filepath.Join(t.TempDir(), "soak.json"), Commit: commit, Workers: 1, Workloads: shares, HistoryMax: time.Minute, Histories: 4}
}

func load(t *testing.T, s Settings) *State {
	t.Helper()
	state, err := Load(s.Path)
	if err != nil {
		t.Fatal(err)
	}
	return state
}

func TestWork_GoesOnWhereItStopped(t *testing.T) {
	var a, b []uint64
	s := settings(t, "one", fake("a", &a, never), fake("b", &b, never))
	for range 3 {
		if err := Work(t.Context(), t, s); err != nil {
			t.Fatal(err)
		}
	}
	s.Commit = "two"
	if err := Work(t.Context(), t, s); err != nil {
		t.Fatal(err)
	}
	for i, seeds := range [][]uint64{a, b} {
		if len(seeds) != 8 || seeds[0] != 1 || seeds[7] != 8 {
			t.Errorf("workload %d ran %v", i, seeds)
		}
	}
	state := load(t, s)
	if one, two := state.Runs[0].Workloads["a"], state.Runs[1].Workloads["a"]; one.Histories != 6 || two.Histories != 2 || one.Virtual != 6*time.Hour || one.Faults["kill"] != 6 {
		t.Errorf("%+v, then %+v", one, two)
	}
}

func TestWork_RecordsWhatIsWrongAndRunsItAgainWithOtherCode(t *testing.T) {
	var ran []uint64
	s := settings(t, "one", fake("a", &ran, func(seed uint64) bool { return seed == 2 }))
	if err := Work(t.Context(), t, s); err != nil {
		t.Fatal(err)
	}
	state := load(t, s)
	if len(state.Wrong) != 1 || state.Wrong[0].Seed.Seed != 2 || state.Wrong[0].Checker != "lost" || len(ran) != 4 {
		t.Fatalf("%+v after %v", state.Wrong, ran)
	}
	transcript, err := os.ReadFile(filepath.Join(filepath.Dir(s.Path), state.Wrong[0].Transcript))
	if err != nil || !strings.Contains(string(transcript), "a call") {
		t.Errorf("transcript %q, %v", transcript, err)
	}
	s.Commit, s.Workloads = "two", []Share{fake("a", &ran, never)}
	if err := Work(t.Context(), t, s); err != nil {
		t.Fatal(err)
	}
	if state := load(t, s); state.Wrong[0].Holds != "two" || ran[4] != 2 {
		t.Errorf("%+v after %v", state.Wrong[0], ran)
	}
}

// TestSupervise_CountsWhatAProcessWasAtWhenItEnded also goes on after it.
func TestSupervise_CountsWhatAProcessWasAtWhenItEnded(t *testing.T) {
	s := settings(t, "one")
	state := load(t, s)
	state.draw("a")
	if err := state.Save(s.Path); err != nil {
		t.Fatal(err)
	}
	starts := 0
	err := Supervise(t.Context(), s, func() *exec.Cmd {
		if starts++; starts == 1 {
			return exec.Command("sh", "-c", "sleep 1.1; echo it breaks >&2; exit 2")
		}
		return exec.Command("true")
	})
	if err != nil || starts != 2 {
		t.Fatalf("%v after %d starts", err, starts)
	}
	if state := load(t, s); len(state.Wrong) != 1 || state.Wrong[0].Seed.Seed != 1 || state.Next["a"] != 1 || len(state.Running) != 0 {
		t.Errorf("%+v", state)
	}
}

func TestSupervise_OneAtATime(t *testing.T) {
	s := settings(t, "one")
	unlock, err := lock(s.Path)
	if err != nil {
		t.Fatal(err)
	}
	if err := Supervise(context.Background(), s, nil); !errors.Is(err, ErrInUse) {
		t.Errorf("%v, want ErrInUse", err)
	}
	unlock()
}

func TestReport_IsWrittenIntoItsBlockAlone(t *testing.T) {
	var ran []uint64
	s := settings(t, "one", fake("a", &ran, func(seed uint64) bool { return seed == 3 }))
	if err := Work(t.Context(), t, s); err != nil {
		t.Fatal(err)
	}
	report := load(t, s).Report()
	for _, want := range []string{"| a | 4 | 4 | 40 |", "kill 4", "| a | 3 | one | lost |"} {
		if !strings.Contains(report, want) {
			t.Errorf("%q is not in %s", want, report)
		}
	}
	document := "before\n" + blockBegin + "\nstale\n" + blockEnd + "\nafter\n"
	got, err := Replace(document, report)
	if err != nil || strings.Contains(got, "stale") || !strings.HasPrefix(got, "before\n") || !strings.HasSuffix(got, "\nafter\n") {
		t.Errorf("%s, %v", got, err)
	}
	if _, err := Replace("nothing", report); !errors.Is(err, ErrNoBlock) {
		t.Errorf("%v, want ErrNoBlock", err)
	}
}
