package fsck

import (
	"cmp"
	"slices"

	"github.com/firnlog/firnlog/coordination"
)

// Report is what a check has found.
type Report struct {
	Cluster  string                `json:"cluster"`
	Era      string                `json:"era"`
	Revision coordination.Revision `json:"revision"`
	Findings []Finding             `json:"findings"`
	// More findings of a kind than are listed.
	More   map[Kind]int `json:"more,omitempty"`
	Counts Counts       `json:"counts"`
	// Interrupted: not everything was checked. Next is where a deep check goes on (Settings.After).
	Interrupted bool   `json:"interrupted,omitempty"`
	Next        string `json:"next,omitempty"`
}

// Counts say how much was looked at.
type Counts struct {
	Topics       int   `json:"topics"`
	Partitions   int   `json:"partitions"`
	Heads        int   `json:"heads"`
	Commits      int   `json:"commits"`
	Groups       int   `json:"groups"`
	Transactions int   `json:"transactionalIds"`
	Backups      int   `json:"backups"`
	Journals     int   `json:"journalObjects"`
	Objects      int64 `json:"objects"` // in the bucket
	ObjectBytes  int64 `json:"objectBytes"`
	References   int64 `json:"references"` // stretches of objects
	Manifests    int64 `json:"manifestObjects"`
	Again        int   `json:"lookedAtAgain"` // partitions whose references changed meanwhile
	DeepStretch  int64 `json:"deepReferences"`
	DeepBytes    int64 `json:"deepBytes"`
	DeepBatches  int64 `json:"deepBatches"`
	DeepReplaced int64 `json:"deepReplaced"` // replaced by maintenance before they were read
}

// listedMax is how many findings of a kind are listed; the rest is counted.
const listedMax = 100

func (r *Report) add(all ...Finding) {
	for _, f := range all {
		n := 0
		for i := range r.Findings {
			if r.Findings[i].Kind == f.Kind {
				n++
			}
		}
		if n < listedMax {
			r.Findings = append(r.Findings, f)
			continue
		}
		if r.More == nil {
			r.More = map[Kind]int{}
		}
		r.More[f.Kind]++
	}
}

// Harm says whether something is wrong, rather than costly or worth a note.
func (r *Report) Harm() bool {
	return slices.ContainsFunc(r.Findings, func(f Finding) bool { return f.Severity == Error })
}

// Found says whether there is a finding of a kind.
func (r *Report) Found(k Kind) bool {
	return slices.ContainsFunc(r.Findings, func(f Finding) bool { return f.Kind == k })
}

// Errors gives the findings that harm.
func (r *Report) Errors() (out []Finding) {
	for _, f := range r.Findings {
		if f.Severity == Error {
			out = append(out, f)
		}
	}
	return out
}

// order puts the worst first, and else keeps the order in which things were found.
func (r *Report) order() {
	rank := map[Severity]int{Error: 0, Warning: 1, Note: 2}
	slices.SortStableFunc(r.Findings, func(a, b Finding) int { return cmp.Compare(rank[a.Severity], rank[b.Severity]) })
}
