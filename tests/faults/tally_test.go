//go:build stack

package faults

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/firnlog/firnlog/sim/queues"
)

// judged is one run whose history was judged, as a line of a file that runs add to.
type judged struct {
	When      string
	Commit    string
	Seed      uint64
	Seconds   int
	Libraries []string
	Episodes  []episode

	Sent, Acknowledged, Unknown, Read int
	Committed, Aborted, Undecided     int
	Anomalies                         map[queues.Class]int
}

// episode is a fault, and after how many seconds all clients of a library got on.
type episode struct {
	Fault    string
	Recovery map[string]float64
}

func (j *judged) count(r *queues.Report) {
	j.Sent, j.Acknowledged, j.Unknown, j.Read = r.Sent, r.Acknowledged, r.Unknown, r.Read
	j.Committed, j.Aborted, j.Undecided, j.Anomalies = r.Committed, r.Aborted, r.Undecided, r.Anomalies
}

// tally adds a run to a file, and gives all that are there. Without a file it is this run alone.
func tally(path string, run judged) ([]judged, error) {
	if path == "" {
		return []judged{run}, nil
	}
	line, err := json.Marshal(run)
	if err != nil {
		return nil, fmt.Errorf("encode the run: %w", err)
	}
	before, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read earlier runs: %w", err)
	}
	all := append(append(before, line...), '\n')
	if err := os.WriteFile(path, all, 0o644); err != nil {
		return nil, fmt.Errorf("write the runs: %w", err)
	}
	var out []judged
	for l := range bytes.Lines(all) {
		var j judged
		if err := json.Unmarshal(l, &j); err != nil {
			return nil, fmt.Errorf("decode a run: %w", err)
		}
		out = append(out, j)
	}
	return out, nil
}

// tables of all runs, as they stand in docs/RELIABILITY.md.
func tables(runs []judged) string {
	var out strings.Builder
	fmt.Fprintf(&out, "| run | libraries | episodes | sent | acknowledged | unknown | records read | transactions committed, aborted, unknown | wrong |\n|---|---|---|---|---|---|---|---|---|\n")
	times := map[string][]episode{}
	total := 0
	for _, j := range runs {
		wrong := "nothing"
		if len(j.Anomalies) > 0 {
			wrong = fmt.Sprint(j.Anomalies)
		}
		fmt.Fprintf(&out, "| %s, seed %d, %d s | %s | %d | %d | %d | %d | %d | %d, %d, %d | %s |\n", j.Commit, j.Seed, j.Seconds, strings.Join(j.Libraries, ", "), len(j.Episodes),
			j.Sent, j.Acknowledged, j.Unknown, j.Read, j.Committed, j.Aborted, j.Undecided, wrong)
		for _, e := range j.Episodes {
			times[e.Fault] = append(times[e.Fault], e)
			total++
		}
	}
	libraries := []string{franz, librdkafka, java}
	fmt.Fprintf(&out, "\n%d episodes. Recovery, p50 / max in seconds:\n\n| fault | episodes | everybody | %s |\n|---|---|---|---|---|---|\n", total, strings.Join(libraries, " | "))
	for _, f := range faults() {
		if len(times[f.name]) > 0 {
			fmt.Fprintf(&out, "| %s | %d | %s |", f.name, len(times[f.name]), spread(times[f.name], libraries...))
			for _, l := range libraries {
				fmt.Fprintf(&out, " %s |", spread(times[f.name], l))
			}
			fmt.Fprintln(&out)
		}
	}
	return out.String()
}

// spread of the time until the last of some libraries got on.
func spread(episodes []episode, libraries ...string) string {
	var all []float64
	for _, e := range episodes {
		last := 0.0
		for _, l := range libraries {
			last = max(last, e.Recovery[l])
		}
		if last > 0 {
			all = append(all, last)
		}
	}
	if len(all) == 0 {
		return "–"
	}
	slices.Sort(all)
	return fmt.Sprintf("%.1f / %.1f", all[len(all)/2], all[len(all)-1])
}

// keep writes a history, one operation a line, for who looks for the cause of a finding.
func (c *crowd) keep(path string) error {
	file, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("keep the history: %w", err)
	}
	out := bufio.NewWriter(file)
	encoder := json.NewEncoder(out)
	for _, op := range c.Ops() {
		if err == nil {
			err = encoder.Encode(struct {
				Who string
				queues.Op
			}{c.mu.names[op.Process], op})
		}
	}
	if err = errors.Join(err, out.Flush(), file.Close()); err != nil {
		return fmt.Errorf("keep the history: %w", err)
	}
	return nil
}
