package differential

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Difference is one field of one operation that two brokers answer differently, in some versions.
type Difference struct {
	API, Op, Field string
	Versions       []int16
	Firnlog, Other string // the values, those of the last version
}

// String is a line for a person.
func (d Difference) String() string {
	versions := fmt.Sprintf("v%d", d.Versions[0])
	if n := len(d.Versions); n > 1 {
		versions += fmt.Sprintf("-%d", d.Versions[n-1])
	}
	return fmt.Sprintf("%s %s, %s: %s: firnlog %q, other %q", d.API, versions, d.Op, d.Field, d.Firnlog, d.Other)
}

// Compare gives all that differs. Both ran the same script, so the answers stand side by side.
func Compare(firnlog, other []Answer) ([]Difference, error) {
	if len(firnlog) != len(other) {
		return nil, fmt.Errorf("%d answers of firnlog, %d of the other broker", len(firnlog), len(other))
	}
	type where struct{ api, op, field string }
	found := map[where]*Difference{}
	for i, ours := range firnlog {
		theirs := other[i]
		if ours.API != theirs.API || ours.Op != theirs.Op || ours.Version != theirs.Version {
			return nil, fmt.Errorf("answer %d: %s %q v%d beside %s %q v%d", i, ours.API, ours.Op, ours.Version, theirs.API, theirs.Op, theirs.Version)
		}
		for field, pair := range differing(ours.Fields, theirs.Fields) {
			at := where{ours.API, ours.Op, field}
			if found[at] == nil {
				found[at] = &Difference{API: ours.API, Op: ours.Op, Field: field}
			}
			d := found[at]
			d.Versions, d.Firnlog, d.Other = append(d.Versions, ours.Version), pair[0], pair[1]
		}
	}
	out := make([]Difference, 0, len(found))
	for _, d := range found {
		out = append(out, *d)
	}
	slices.SortFunc(out, func(a, b Difference) int {
		return cmp.Or(cmp.Compare(a.API, b.API), cmp.Compare(a.Op, b.Op), cmp.Compare(a.Field, b.Field))
	})
	return out, nil
}

// missing is the value of a field that an answer does not have.
const missing = "-"

// differing gives the fields that are not equal. Of a list or an element that one side does not have at all, only
// that counts, not each of its fields.
func differing(a, b map[string]string) map[string][2]string {
	out := map[string][2]string{}
	for field := range maps.Keys(a) {
		if other, ok := b[field]; !ok {
			out[field] = [2]string{a[field], missing}
		} else if other != a[field] {
			out[field] = [2]string{a[field], other}
		}
	}
	for field := range maps.Keys(b) {
		if _, ok := a[field]; !ok {
			out[field] = [2]string{missing, b[field]}
		}
	}
	for field, pair := range out {
		if whole := func(v string) bool { return v == "there" || v == "some" }; whole(pair[0]) || whole(pair[1]) {
			maps.DeleteFunc(out, func(f string, _ [2]string) bool { return f != field && strings.HasPrefix(f, field) })
		}
	}
	return out
}
