package sweep_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/firnlog/firnlog/core/sweep"
	"github.com/firnlog/firnlog/objectstore/memory"
)

func TestClaim_OneOfManyClustersGetsThePrefixAndKeepsIt(t *testing.T) {
	store := memory.New()
	const clusters = 8
	got := make(chan string, 3*clusters)
	for i := range 3 * clusters { // three instances of each
		name := fmt.Sprint("cluster-", i%clusters)
		go func() {
			err := sweep.Claim(t.Context(), store, name)
			switch {
			case err == nil:
				got <- name
			case errors.Is(err, sweep.ErrClaimed):
				got <- ""
			default:
				t.Error(err)
				got <- ""
			}
		}()
	}
	owners := map[string]int{}
	for range 3 * clusters {
		owners[<-got]++
	}
	delete(owners, "")
	if len(owners) != 1 {
		t.Fatalf("owners %v, want one", owners)
	}
	for name, n := range owners {
		if n != 3 || sweep.Claim(t.Context(), store, name) != nil || sweep.Claim(t.Context(), store, name+"x") == nil {
			t.Errorf("%s: %d of its instances own it, or not again", name, n)
		}
	}
}
