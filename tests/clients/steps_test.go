//go:build stack

package clients

import (
	"slices"
	"strings"
)

// outcome is how a step ended.
type outcome struct {
	state string // ok, FAIL, skip, or none where it is not run with this client
	why   string
}

// row is what came of one client.
type row struct {
	name, version string
	steps         map[string]outcome
	codecs        []string // in the order that the script tried them
}

// columns of the table, in the order of the steps.
var columns = []string{"create", "produce", "consume", "group", "KIP-848", "resume", "seek", "delete"}

// read takes what a script printed.
func (r *row) read(output string) {
	for line := range strings.Lines(output) {
		word, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		step, why, _ := strings.Cut(rest, ": ")
		switch word {
		case "version":
			r.version = rest
		case "ok", "FAIL", "skip":
			if codec, ok := strings.CutPrefix(step, "produce "); ok {
				r.codecs = append(r.codecs, codec)
			}
			r.steps[step] = outcome{word, why}
		}
	}
}

// failures lists what is to be told about this client: the steps that failed, or were never reached.
func (r *row) failures() []string { return r.failuresOf(columns) }

func (r *row) failuresOf(columns []string) (out []string) {
	for step, o := range r.steps {
		if o.state == "FAIL" {
			out = append(out, step+": "+o.why)
		}
	}
	slices.Sort(out)
	if len(out) > 0 {
		return out
	}
	for _, step := range columns {
		if _, ok := r.steps[step]; !ok && step != "produce" || step == "produce" && len(r.codecs) == 0 {
			out = append(out, step+": not reached")
		}
	}
	return out
}

// skipped lists what this client has no function for.
func (r *row) skipped() (out []string) {
	for step, o := range r.steps {
		if o.state == "skip" {
			out = append(out, step+": "+o.why)
		}
	}
	slices.Sort(out)
	return out
}

// cell is what the table says of a step.
func (r *row) cell(step string) string {
	if step == "produce" {
		var cells []string
		for _, codec := range r.codecs {
			if c := r.cell("produce " + codec); c == "ok" {
				cells = append(cells, codec)
			} else {
				cells = append(cells, codec+" "+c)
			}
		}
		return strings.Join(cells, ", ")
	}
	switch o := r.steps[step]; o.state {
	case "":
		return "not reached"
	case "FAIL":
		return "**fails**"
	case "skip", "none":
		return "—"
	default:
		return o.state
	}
}
