// Command guard runs the benchmarks of hot paths in two trees, in turns, and compares them: what became slower by more than 1.3 times, or
// allocates more often, fails (make bench-guard).
//
// Owns: the turns and the verdict. Does not own: the benchmarks, which lie beside what they measure.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// sample is what one benchmark came to in one tree: the least of all turns, which the rest of the machine disturbed least.
type sample struct{ nanoseconds, allocations float64 }

func main() {
	base := flag.String("base", "", "folder of the tree to compare with")
	rounds := flag.Int("rounds", 5, "turns of each tree")
	again := flag.Int("again", 10, "more turns at most for packages that look slower: what the machine did passes, what the code does stays")
	slower := flag.Float64("slower", 1.3, "ratio of time that fails")
	pattern := flag.String("bench", "^BenchmarkHot", "benchmarks to run")
	flag.Parse()
	if *base == "" || flag.NArg() == 0 {
		fmt.Fprintln(os.Stderr, "guard --base FOLDER PACKAGE…")
		os.Exit(2)
	}
	before, after := map[string]sample{}, map[string]sample{}
	turn := func(packages []string, first bool) {
		for _, tree := range []struct {
			dir string
			all map[string]sample
		}{{*base, before}, {".", after}} {
			if err := run(tree.dir, *pattern, packages, tree.all, first); err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(2)
			}
		}
	}
	for round := range *rounds {
		turn(flag.Args(), round == 0)
	}
	for range *again {
		packages := suspects(before, after, *slower)
		if len(packages) == 0 {
			break
		}
		turn(packages, false)
	}
	if !compare(os.Stdout, before, after, *slower) {
		os.Exit(1)
	}
}

// run does all benchmarks once. A package that a tree does not have yet has no samples there. The test's program is kept in the tree's
// bin folder, so that later turns need not link it again.
func run(dir, pattern string, packages []string, all map[string]sample, first bool) error {
	for _, p := range packages {
		if _, err := os.Stat(filepath.Join(dir, p)); err != nil {
			continue
		}
		program, err := filepath.Abs(filepath.Join(dir, "bin", "guard", filepath.Base(p)+".test"))
		if err != nil {
			return err
		}
		if first {
			build := exec.Command("go", "test", "-c", "-o", program, p)
			build.Dir, build.Stderr = dir, os.Stderr
			if err := build.Run(); err != nil {
				return fmt.Errorf("build tests of %s in %s: %w", p, dir, err)
			}
		}
		cmd := exec.Command(program, "-test.run", "^$", "-test.bench", pattern, "-test.benchmem", "-test.benchtime", "200ms")
		cmd.Dir, cmd.Stderr = filepath.Join(dir, p), os.Stderr
		out, err := cmd.Output()
		if err != nil {
			return fmt.Errorf("benchmarks of %s in %s: %w\n%s", p, dir, err, out)
		}
		read(out, p, all)
	}
	return nil
}

var line = regexp.MustCompile(`(?m)^(Benchmark\S+?)(?:-\d+)?\s+\d+\s+([\d.]+) ns/op.*?\s([\d.]+) allocs/op`)

// read takes the least of what is there and what a run printed.
func read(out []byte, name string, all map[string]sample) {
	for _, m := range line.FindAllSubmatch(bytes.TrimSpace(out), -1) {
		key := strings.TrimPrefix(name, "./") + " " + string(m[1])
		s, ok := all[key]
		if !ok {
			s = sample{math.Inf(1), math.Inf(1)}
		}
		ns, _ := strconv.ParseFloat(string(m[2]), 64)
		allocations, _ := strconv.ParseFloat(string(m[3]), 64)
		all[key] = sample{min(s.nanoseconds, ns), min(s.allocations, allocations)}
	}
}

// suspects are the packages with a benchmark that has become slower by its least times so far.
func suspects(before, after map[string]sample, slower float64) (packages []string) {
	for name, a := range after {
		if b, ok := before[name]; ok && a.nanoseconds > slower*b.nanoseconds {
			p, _, _ := strings.Cut(name, " ")
			packages = append(packages, "./"+p)
		}
	}
	slices.Sort(packages)
	return slices.Compact(packages)
}

// compare says of each benchmark what became of it, and whether that is good enough.
func compare(w io.Writer, before, after map[string]sample, slower float64) (good bool) {
	good = true
	for _, name := range slices.Sorted(maps.Keys(after)) {
		a := after[name]
		b, ok := before[name]
		if !ok {
			fmt.Fprintf(w, "new    %s: %.0f ns, %.0f allocations\n", name, a.nanoseconds, a.allocations)
			continue
		}
		verdict, ratio := "ok    ", a.nanoseconds/b.nanoseconds
		if ratio > slower || a.allocations > b.allocations {
			verdict, good = "WORSE ", false
		}
		fmt.Fprintf(w, "%s %s: %.2f× the time (%.0f ns, was %.0f), %.0f allocations (was %.0f)\n", verdict, name, ratio, a.nanoseconds, b.nanoseconds, a.allocations, b.allocations)
	}
	for name := range before {
		if _, ok := after[name]; !ok {
			fmt.Fprintf(w, "GONE   %s\n", name)
			good = false
		}
	}
	return good
}
