package upkeep_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/firnlog/firnlog/core/coretest"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/upkeep"
)

func TestDeleteRecords_MovesTheLogStartAloneAndOnlyForward(t *testing.T) {
	bubble(t, eagerly, func(t *testing.T, f *fixture) {
		f.a.MustProduce(coretest.Plain(f.tp, "a", "b"), coretest.Plain(f.tp, "c"), coretest.Idempotent(f.tp, 7, 0, 0, "d"))
		for _, c := range []struct {
			before, want record.Offset
			err          error
		}{{0, 0, nil}, {1, 1, nil}, {3, 3, nil}, {3, 3, nil}, {2, 3, nil}, {5, -1, upkeep.ErrOutOfRange}, {-2, -1, upkeep.ErrOutOfRange}, {upkeep.BeforeAll, 4, nil}, {upkeep.BeforeAll, 4, nil}} {
			if got, err := f.a.Upkeep.DeleteRecords(t.Context(), f.tp, c.before); got != c.want || !errors.Is(err, c.err) {
				t.Errorf("before %d: %d, %v; want %d, %v", c.before, got, err, c.want, c.err)
			}
		}
		if h := f.head(t, f.tp); h.AsOf != 0 || h.Next != 0 {
			t.Errorf("head as of %d, next %d: DeleteRecords must not claim what it did not write", h.AsOf, h.Next)
		}
		if _, err := f.a.Upkeep.DeleteRecords(t.Context(), record.TopicPartition{Topic: f.tp.Topic, Partition: 999}, 0); !errors.Is(err, upkeep.ErrUnknownPartition) {
			t.Errorf("unknown partition: %v", err)
		}
		b := f.Instance("b", eagerly).Ready()
		if got := b.MustProduce(coretest.Plain(f.tp, "e"), coretest.Idempotent(f.tp, 7, 0, 0, "d")); got[0] != 4 || got[1] != 3 {
			t.Errorf("bases %v: the state behind the log start must stay", got)
		}
	})
}

func TestDeleteRecords_AtTheSameTimeAsCheckpointsLosesNeither(t *testing.T) {
	bubble(t, coretest.Options{Upkeep: eager, Linger: time.Millisecond}, func(t *testing.T, f *fixture) {
		b := f.Instance("b", eagerly).Ready()
		done := make(chan struct{})
		go func() {
			defer close(done)
			for range 50 {
				do(t, b, b.Upkeep.Checkpoint, b.Upkeep.Trim)
				time.Sleep(3 * time.Millisecond)
			}
		}()
		for i := range 50 {
			f.a.MustProduce(coretest.Plain(f.tp, fmt.Sprint(i)))
			if i%3 == 0 {
				if _, err := f.a.Upkeep.DeleteRecords(t.Context(), f.tp, record.Offset(i)); err != nil {
					t.Fatal(err)
				}
			}
		}
		<-done
		do(t, b, b.Upkeep.Checkpoint, b.Upkeep.Trim)
		late := f.Instance("c", eagerly).Ready()
		for _, in := range []*coretest.Instance{f.a, b, late} {
			if got := in.ReadAll(f.tp); !slices.Equal(got, []string{"48", "49"}) {
				t.Errorf("%s reads %q, want 48 and 49", in.Name, got)
			}
		}
	})
}
