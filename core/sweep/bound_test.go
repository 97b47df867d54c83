package sweep

import (
	"encoding/binary"
	"testing"

	"github.com/oklog/ulid/v2"
)

// Dockets that wait are read by each visit: what one visit may add is what is left of the bound, not as much again.
func TestVisit_SuspectsAreBoundedInAllDocketsTogether(t *testing.T) {
	v := &visit{over: map[ulid.ULID]struct{}{}, waiting: map[ulid.ULID]struct{}{}}
	name := func(n uint32) (id ulid.ULID) {
		binary.BigEndian.PutUint32(id[12:], n)
		return id
	}
	for n := range uint32(suspectsMax - 3) {
		v.waiting[name(n)] = struct{}{}
	}
	for n := range uint32(10) {
		v.judge(name(suspectsMax + n))
	}
	if len(v.fresh) != 3 || len(v.waiting) != suspectsMax {
		t.Errorf("%d more suspects, %d in all, want %d", len(v.fresh), len(v.waiting), suspectsMax)
	}
}
