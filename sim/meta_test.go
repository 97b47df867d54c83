package sim

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/firnlog/firnlog/sim/replay"
)

var transcriptsFlag = flag.String("transcripts", "", "write the transcripts of -seeds=M seeds of all workloads into this folder")

// A seed is run by two programs at once, which were built for replay: one that begins with it, and one that has run others
// before. Both must see the same calls at the same times, though nothing else is the same: addresses, what lies in
// pools and caches, the garbage, who else wants the processor.

const replayedSeeds = 4 // of each workload

func TestReplay_OneSeedGivesOneTranscript(t *testing.T) {
	dir := t.TempDir()
	program := buildForReplay(t, dir)
	var both sync.WaitGroup
	for first := 1; first <= 2; first++ {
		both.Go(func() {
			cmd := exec.Command(program, "-test.run=^TestTranscripts$", "-test.timeout=10m", fmt.Sprint("-first=", first), fmt.Sprint("-seeds=", replayedSeeds+1-first),
				"-transcripts="+filepath.Join(dir, fmt.Sprint(first)))
			cmd.Env = append(os.Environ(), "GOMAXPROCS=1", "FIRNLOG_SIM_LOG=")
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("run: %v: %s", err, out)
			}
		})
	}
	both.Wait()
	names, err := filepath.Glob(filepath.Join(dir, "2", "*"))
	if want := 3 * (replayedSeeds - 1); err != nil || len(names) != want {
		t.Fatalf("%d transcripts, %v, want %d", len(names), err, want)
	}
	for _, name := range names {
		one, another := readLines(t, filepath.Join(dir, "1", filepath.Base(name))), readLines(t, name)
		if len(one) < 100 || !slices.Equal(one, another) {
			t.Errorf("%s: %s", filepath.Base(name), firstDifference(one, another))
		}
	}
}

// buildForReplay builds the tests of this package once more. What the build makes stays in Go's cache, the first takes a minute.
func buildForReplay(t *testing.T, dir string) (program string) {
	t.Helper()
	program = filepath.Join(dir, "sim.test")
	for _, args := range [][]string{
		{"run", "./replay/overlay", "-to", dir},
		{"test", "-c", "-overlay", filepath.Join(dir, "overlay.json"), "-tags", "replay", "-o", program, "."},
	} {
		if out, err := exec.Command("go", args...).CombinedOutput(); err != nil {
			t.Fatalf("go %v: %v: %s", args, err, out)
		}
	}
	return program
}

// TestTranscripts is what the programs of the test above run.
func TestTranscripts(t *testing.T) {
	if *transcriptsFlag == "" {
		return
	}
	if !replay.Exact {
		t.Fatal("not built for replay")
	}
	if err := os.MkdirAll(*transcriptsFlag, 0o755); err != nil {
		t.Fatal(err)
	}
	for seed := *firstFlag; seed < *firstFlag+uint64(*seedsFlag); seed++ {
		for name, lines := range map[string][]string{
			"log":    exactly(Run(t, seed, nil).entries),
			"queues": exactly(Run(t, seed, func(s *Settings) { asQueues(s, seed) }).entries),
			"groups": RunGroups(t, seed).exactly(),
		} {
			file := filepath.Join(*transcriptsFlag, fmt.Sprintf("%s-%d.txt", name, seed))
			if err := os.WriteFile(file, []byte(strings.Join(lines, "\n")), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func readLines(t *testing.T, name string) []string {
	t.Helper()
	body, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(string(body), "\n")
}

// firstDifference shows where two transcripts part.
func firstDifference(a, b []string) string {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	show := func(lines []string) string {
		return strings.Join(lines[max(0, min(n, len(lines))-2):min(n+6, len(lines))], "\n  ")
	}
	return fmt.Sprintf("the transcripts of %d and %d lines part at line %d:\n  %s\n\n  %s", len(a), len(b), n+1, show(a), show(b))
}
