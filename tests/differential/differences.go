package differential

import (
	"fmt"
	"os"
	"strings"
)

// Row is a difference that is meant to be. In all but Why a * stands for any text. Firnlog and Other are what each of
// them answers; empty: anything.
type Row struct {
	API, Op, Field string
	Firnlog, Other string
	Why            string
}

func (r Row) covers(d Difference) bool {
	return matches(r.API, d.API) && matches(r.Op, d.Op) && matches(r.Field, d.Field) &&
		(r.Firnlog == "" || matches(r.Firnlog, d.Firnlog)) && (r.Other == "" || matches(r.Other, d.Other))
}

// matches compares with a pattern in which * stands for any text.
func matches(pattern, s string) bool {
	first, rest, star := strings.Cut(pattern, "*")
	if !star {
		return pattern == s
	}
	s, ok := strings.CutPrefix(s, first)
	if !ok {
		return false
	}
	for i := 0; i <= len(s); i++ {
		if matches(rest, s[i:]) {
			return true
		}
	}
	return false
}

// Judge splits differences by a table: those that no row covers, and the rows that cover nothing.
func Judge(differences []Difference, table []Row) (left []Difference, idle []Row) {
	used := make([]bool, len(table))
	for _, d := range differences {
		covered := false
		for i, row := range table {
			if row.covers(d) {
				covered, used[i] = true, true
			}
		}
		if !covered {
			left = append(left, d)
		}
	}
	for i, row := range table {
		if !used[i] {
			idle = append(idle, row)
		}
	}
	return left, idle
}

// Markers of the section in docs/SUPPORTED.md.
const (
	sectionBegin = "<!-- differences -->"
	sectionEnd   = "<!-- /differences -->"
)

// Section is the table as it stands in the docs.
func Section(table []Row) string {
	var b strings.Builder
	b.WriteString("| API | operation | field | firnlog | Apache Kafka | why |\n|---|---|---|---|---|---|\n")
	for _, r := range table {
		fmt.Fprintf(&b, "| %s | %s | `%s` | %s | %s | %s |\n", cell(r.API), cell(r.Op), r.Field, cell(r.Firnlog), cell(r.Other), cell(r.Why))
	}
	return b.String()
}

func cell(s string) string {
	if s == "*" {
		return "any"
	}
	return strings.ReplaceAll(s, "|", "\\|")
}

// WriteSection puts text between the markers of a file; a file without them gets them at its end.
func WriteSection(path, text string) error {
	old, err := os.ReadFile(path)
	if err != nil && !os.IsNotExist(err) {
		return err
	}
	before, rest, found := strings.Cut(string(old), sectionBegin)
	_, after, closed := strings.Cut(rest, sectionEnd)
	if found && !closed {
		return fmt.Errorf("write section of %s: %s is never closed", path, sectionBegin)
	}
	if !found {
		before = strings.TrimRight(string(old), "\n") + "\n\n## Differences from Apache Kafka, answer by answer\n\n"
		after = "\n"
	}
	return os.WriteFile(path, []byte(before+sectionBegin+"\n"+text+sectionEnd+after), 0o644)
}
