package pause

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestFor_EndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		if err := For(t.Context(), time.Minute); err != nil || time.Since(began) != time.Minute {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := For(ctx, time.Hour); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != time.Minute+time.Second {
			t.Errorf("%v after %v", err, time.Since(began))
		}
	})
}

func TestBackoff_DoublesUpToItsMost(t *testing.T) {
	for tries, want := range []time.Duration{10, 20, 40, 80, 100, 100} {
		if got := Backoff(tries, 10, 100); got != want {
			t.Errorf("after %d tries %d, want %d", tries, got, want)
		}
	}
	if got := Backoff(1_000_000, time.Second, time.Hour); got != time.Hour {
		t.Errorf("after very many tries %v", got)
	}
}
