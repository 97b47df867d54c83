package wire

import (
	"testing"

	"golang.org/x/sync/semaphore"
)

func TestShare_TakesWhatIsThereAndGivesAllBack(t *testing.T) {
	const all = 8 << 20
	memory := semaphore.NewWeighted(all)
	one, two, three := &share{of: memory}, &share{of: memory}, &share{of: memory}
	if got := one.reserve(6 << 20); got != 6<<20 {
		t.Errorf("the first is granted %d", got)
	}
	if got := two.reserve(6 << 20); got != 6<<20/4 {
		t.Errorf("the second is granted %d of what is left", got)
	}
	if got := three.reserve(6 << 20); got != 6<<20/16 {
		t.Errorf("the third is granted %d", got)
	}
	if got := three.reserve(100); got != 100 {
		t.Errorf("a small answer is granted %d", got)
	}
	if !two.settle(300<<10) || !three.settle(1<<20) || one.settle(all) {
		t.Error("only what is there can be had")
	}
	one.give()
	two.give()
	three.give()
	three.give()
	if !memory.TryAcquire(all) {
		t.Error("not all was given back")
	}
}
