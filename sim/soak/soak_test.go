package soak

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"runtime/debug"
	"syscall"
	"testing"
	"time"
)

var (
	minutesFlag = flag.Float64("minutes", 0, "run histories for so long")
	stateFlag   = flag.String("state", "", "the file that totals are kept in")
	commitFlag  = flag.String("commit", "unknown", "the commit that this is built of")
	reportFlag  = flag.String("report", "", "write the totals into the marked block of this document")
	childFlag   = flag.Bool("child", false, "be the one that is supervised")
)

// TestMain: histories are short-lived garbage.
func TestMain(m *testing.M) {
	debug.SetGCPercent(800)
	debug.SetMemoryLimit(3 << 30)
	os.Exit(m.Run())
}

// TestSoak runs histories for -minutes, and goes on where the last run stopped.
func TestSoak(t *testing.T) {
	if *minutesFlag == 0 {
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	until := time.Duration(*minutesFlag * float64(time.Minute))
	ctx, cancel := context.WithTimeout(ctx, until)
	defer cancel()
	s := Settings{Path: *stateFlag, Commit: *commitFlag, Workers: runtime.GOMAXPROCS(0), Workloads: Shares(), HistoryMax: 20 * time.Minute}
	if *childFlag {
		if err := Work(ctx, t, s); err != nil {
			t.Fatal(err)
		}
		return
	}
	begun := time.Now()
	err := Supervise(ctx, s, func() *exec.Cmd {
		left := *minutesFlag - time.Since(begun).Minutes()
		return exec.Command(os.Args[0], "-test.run=^TestSoak$", "-test.timeout=0", "-test.v", "-child", fmt.Sprint("-minutes=", left),
			"-state="+*stateFlag, "-commit="+*commitFlag)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestSoakReport writes the totals into a document.
func TestSoakReport(t *testing.T) {
	if *reportFlag == "" {
		return
	}
	s, err := Load(*stateFlag)
	if err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(*reportFlag)
	if err != nil {
		t.Fatal(err)
	}
	after, err := Replace(string(before), s.Report())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(*reportFlag, []byte(after), 0o644); err != nil {
		t.Fatal(err)
	}
}
