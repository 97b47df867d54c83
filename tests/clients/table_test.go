//go:build stack

package clients

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// heading says what is run when. It is asked for before the run: others may commit meanwhile.
func heading(t *testing.T) string {
	t.Helper()
	commit, err := exec.Command("git", "rev-parse", "--short=12", "HEAD").Output()
	if err != nil {
		t.Fatal(err)
	}
	// The tables themselves do not count: the tests before this one wrote theirs.
	changed, err := exec.Command("git", "status", "--porcelain", "--untracked-files=no", "--", ":/", ":!/docs").Output()
	if err != nil {
		t.Fatal(err)
	}
	with := ""
	if len(changed) > 0 {
		with = " with changes"
	}
	return fmt.Sprintf("Run on %s at commit %s%s, three brokers on MinIO and etcd.\n\n",
		time.Now().UTC().Format(time.DateOnly), strings.TrimSpace(string(commit)), with)
}

func clientsTable(rows []*row) string {
	var b strings.Builder
	b.WriteString("| client | version | " + strings.Join(columns, " | ") + " |\n|" + strings.Repeat("---|", len(columns)+2) + "\n")
	var notes []string
	for _, r := range rows {
		b.WriteString("| " + r.name + " | " + r.version)
		for _, step := range columns {
			b.WriteString(" | " + r.cell(step))
		}
		b.WriteString(" |\n")
		for _, f := range r.failures() {
			notes = append(notes, "- "+r.name+", "+f)
		}
		for _, s := range r.skipped() {
			notes = append(notes, "- "+r.name+", "+s)
		}
	}
	if len(notes) > 0 {
		b.WriteString("\n" + strings.Join(notes, "\n") + "\n")
	}
	return b.String()
}

// writeBetween replaces what stands between two markers of docs/SUPPORTED.md.
func writeBetween(t *testing.T, name, content string) {
	t.Helper()
	const path = "../../docs/SUPPORTED.md"
	first, last := "<!-- "+name+" -->\n", "<!-- /"+name+" -->\n"
	doc, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(doc), first)
	_, after, ok2 := strings.Cut(rest, last)
	if !ok || !ok2 {
		t.Fatalf("%s has no markers %q and %q", path, first, last)
	}
	if err := os.WriteFile(path, []byte(before+first+content+last+after), 0o644); err != nil {
		t.Fatal(err)
	}
}

func usesTable(results []used) string {
	var b strings.Builder
	b.WriteString("| program | version | what is run | |\n|---|---|---|---|\n")
	for _, r := range results {
		outcome := "ok"
		if errors.Is(r.err, errNotSupported) {
			outcome = r.err.Error()
		} else if r.err != nil {
			outcome = "**fails**: " + strings.ReplaceAll(brief(r.err.Error()), "|", "\\|")
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", r.program, r.version, r.what, outcome)
	}
	return b.String()
}
