//go:build stack

package faults

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"testing"
)

var reportFlag = flag.String("report", "", "document whose blocks TestFaultsReport writes, from all runs of -results")

// Blocks of the document.
const (
	runsBlock     = "faults"
	recoveryBlock = "recovery"
)

// TestFaultsReport is make faults-report.
func TestFaultsReport(t *testing.T) {
	if *reportFlag == "" {
		return
	}
	runs, err := earlier(*resultsFlag)
	if err != nil {
		t.Fatal(err)
	}
	document, err := os.ReadFile(*reportFlag)
	if err != nil {
		t.Fatal(err)
	}
	text, err := replaced(string(document), runsBlock, runsTable(runs))
	if err == nil {
		text, err = replaced(text, recoveryBlock, recoveryTable(runs))
	}
	if err == nil {
		err = os.WriteFile(*reportFlag, []byte(text), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

var errNoBlock = errors.New("the document has no block for it")

// replaced puts a text between the marks of a block.
func replaced(document, block, text string) (string, error) {
	first, last := fmt.Sprintf("<!-- %s: written by make faults-report -->\n", block), fmt.Sprintf("<!-- /%s -->", block)
	begin, end := strings.Index(document, first), strings.Index(document, last)
	if begin < 0 || end < begin {
		return "", fmt.Errorf("%w: %s", errNoBlock, block)
	}
	return document[:begin+len(first)] + "\n" + text + document[end:], nil
}

// earlier are all runs of a file.
func earlier(path string) (out []judged, err error) {
	lines, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read earlier runs: %w", err)
	}
	for l := range bytes.Lines(lines) {
		var j judged
		if err := json.Unmarshal(l, &j); err != nil {
			return nil, fmt.Errorf("decode a run: %w", err)
		}
		out = append(out, j)
	}
	return out, nil
}

// runsTable has a line for each run, and one for those that count.
func runsTable(runs []judged) string {
	var out strings.Builder
	fmt.Fprintf(&out, "| run | clients | load of the machine | episodes | sent | acknowledged | unknown | records read | transactions committed, aborted, unknown | linearizable | wrong |\n|---|---|---|---|---|---|---|---|---|---|---|\n")
	var all judged
	count := 0
	for _, j := range runs {
		fmt.Fprintf(&out, "| %s, seed %d, %d min | %s | %s | %d | %s | %s | %s |\n", j.Commit, j.Seed, (j.Seconds+30)/60, strings.Join(j.Libraries, ", "), loads(j.Load), len(j.Episodes),
			j.figures(), j.Linear, j.wrong())
		if j.Void {
			continue
		}
		count += len(j.Episodes)
		all.Sent, all.Acknowledged, all.Unknown, all.Read = all.Sent+j.Sent, all.Acknowledged+j.Acknowledged, all.Unknown+j.Unknown, all.Read+j.Read
		all.Committed, all.Aborted, all.Undecided = all.Committed+j.Committed, all.Aborted+j.Aborted, all.Undecided+j.Undecided
	}
	fmt.Fprintf(&out, "| all | | | %d | %s | | |\n", count, all.figures())
	return out.String()
}

// figures are the cells of what clients did.
func (j *judged) figures() string {
	return fmt.Sprintf("%s | %s | %s | %s | %s, %s, %s", thousands(j.Sent), thousands(j.Acknowledged), thousands(j.Unknown), thousands(j.Read), thousands(j.Committed), thousands(j.Aborted), thousands(j.Undecided))
}

// wrong is what the checkers of queues found, and what is known of it.
func (j *judged) wrong() string {
	text := "nothing"
	if len(j.Anomalies) > 0 {
		text = strings.TrimPrefix(fmt.Sprint(j.Anomalies), "map")
	}
	if j.Note != "" {
		text += ": " + j.Note
	}
	if j.Void {
		text += " (not counted)"
	}
	return text
}

func loads(all []float64) string {
	if len(all) == 0 {
		return "–"
	}
	return fmt.Sprintf("%.0f to %.0f", all[0], all[len(all)-1])
}

func thousands(n int) string {
	digits := fmt.Sprint(n)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// recoveryTable has a line for each fault, in the order of the list.
func recoveryTable(runs []judged) string {
	var out strings.Builder
	times, pairsDrawn, total := map[string][]episode{}, map[string]bool{}, 0
	for _, j := range runs {
		for _, e := range j.Episodes {
			if !j.Void {
				times[e.Fault] = append(times[e.Fault], e)
				total++
			}
			if len(e.Of) > 0 && !j.Void {
				pairsDrawn[strings.Join(e.Of, " + ")] = true
			}
		}
	}
	libraries := []string{franz, librdkafka, java}
	fmt.Fprintf(&out, "| fault | episodes | all | %s |\n|---|---|---|---|---|---|\n", strings.Join(libraries, " | "))
	for _, f := range faults() {
		of := times[f.name]
		if len(of) == 0 {
			continue
		}
		name := f.name
		if name == pairs {
			name += fmt.Sprintf(" (%d different pairs)", len(pairsDrawn))
		}
		fmt.Fprintf(&out, "| %s | %d | %s |", name, len(of), spread(of, libraries...))
		for _, l := range libraries {
			fmt.Fprintf(&out, " %s |", spread(of, l))
		}
		fmt.Fprintln(&out)
	}
	fmt.Fprintf(&out, "| all | %d | | | | |\n", total)
	return out.String()
}

func TestReport_ReplacesItsBlocksAlone(t *testing.T) {
	document := "a\n<!-- faults: written by make faults-report -->\nold\n<!-- /faults -->\nb\n"
	got, err := replaced(document, runsBlock, "new\n")
	want := "a\n<!-- faults: written by make faults-report -->\n\nnew\n<!-- /faults -->\nb\n"
	if err != nil || got != want {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := replaced(document, recoveryBlock, "new\n"); !errors.Is(err, errNoBlock) {
		t.Errorf("a block that is not there: %v", err)
	}
}
