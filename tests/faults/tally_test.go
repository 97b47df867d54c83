//go:build stack

package faults

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"

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
	Linear                            linearity

	Load []float64 // of the machine, from the least to the most that was seen after an episode
	Note string    // written by hand: what is known of what is wrong
	Void bool      // written by hand: it counts for nothing
}

// episode is a fault, and after how many seconds all clients of a library got on.
type episode struct {
	Fault    string
	Of       []string // if it is several
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
	file, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err == nil {
		_, err = file.Write(append(line, '\n'))
		err = errors.Join(err, file.Close())
	}
	if err != nil {
		return nil, fmt.Errorf("add the run: %w", err)
	}
	return earlier(path)
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
