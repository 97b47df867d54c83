package goals

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// Table collects what was measured.
type Table struct{ rows []row }

type row struct {
	what, goal, measured, verdict string
}

// AtLeast is a row with a goal that is met by so much or more.
func (t *Table) AtLeast(what string, goal, measured float64, form string) {
	t.judged(what, "≥ ", goal, measured, form, measured >= goal)
}

// AtMost is a row with a goal that is met by so much or less.
func (t *Table) AtMost(what string, goal, measured float64, form string) {
	t.judged(what, "≤ ", goal, measured, form, measured <= goal)
}

func (t *Table) judged(what, sign string, goal, measured float64, form string, met bool) {
	verdict := "**missed**"
	if met {
		verdict = "met"
	}
	t.rows = append(t.rows, row{what, sign + fmt.Sprintf(form, goal), fmt.Sprintf(form, measured), verdict})
}

// Note is a row without a goal, beside those that have one.
func (t *Table) Note(what, form string, args ...any) {
	t.rows = append(t.rows, row{"– " + what, "", fmt.Sprintf(form, args...), ""})
}

// String is the table in Markdown.
func (t *Table) String() string {
	var b strings.Builder
	b.WriteString("| what | goal | measured | |\n|---|---|---|---|\n")
	for _, r := range t.rows {
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", r.what, r.goal, r.measured, r.verdict)
	}
	return b.String()
}

// Median of some numbers; NaN of none.
func Median(all []float64) float64 {
	if len(all) == 0 {
		return math.NaN()
	}
	s := slices.Sorted(slices.Values(all))
	return (s[(len(s)-1)/2] + s[len(s)/2]) / 2
}
