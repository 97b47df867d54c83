package deliver

import (
	"cmp"
	"slices"

	"github.com/firnlog/firnlog/core/consume"
)

// byTurn puts partitions first that were served longest ago.
func (d *run) byTurn(got []consume.Fetched) {
	slices.SortStableFunc(got, func(a, b consume.Fetched) int { return cmp.Compare(d.order[a.Name()], d.order[b.Name()]) })
}
