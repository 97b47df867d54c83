package stream_test

import (
	"sync"
	"testing"

	"github.com/firnlog/firnlog/core/coretest"
)

// A round that ends while another caller comes must not be run twice.
func TestBarrier_ManyCallersAtOnceShareRoundsWithoutRunningOneTwice(t *testing.T) {
	c := coretest.NewCluster(t)
	in := c.Instance("a", coretest.Options{}).Ready()
	var callers sync.WaitGroup
	for range 8 {
		callers.Go(func() {
			for range 5000 {
				if err := in.Stream.Barrier(t.Context()); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	callers.Wait()
}
