package bench

import (
	"os"
	"testing"
	"testing/synctest"
	"time"
)

func TestTimes_SharesAreThoseOfAllOperations(t *testing.T) {
	var times Times
	if times.At(0.5) != 0 {
		t.Error("no operation has a time")
	}
	for i := range 1000 {
		times.Add(time.Duration(999-i) * time.Millisecond)
	}
	for share, want := range map[float64]int64{0.5: 500, 0.99: 990, 0.999: 999, 1: 999} {
		if got := times.At(share).Milliseconds(); got != want {
			t.Errorf("%v: %d ms, want %d", share, got, want)
		}
	}
}

// Who sends the next record only when the last one was taken would leave out the very times that matter.
func TestPace_ALateRecordsWaitBeginsWhenItWasDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := sender{w: &Work{Rate: 10, Clients: 2}}
		began := time.Now()
		if at := s.pace(t.Context(), 1, began); at.Sub(began) != 200*time.Millisecond || time.Since(began) != 200*time.Millisecond {
			t.Errorf("record 1 at %v", at.Sub(began))
		}
		time.Sleep(time.Second) // the broker took so long
		if at := s.pace(t.Context(), 2, began); at.Sub(began) != 400*time.Millisecond {
			t.Errorf("record 2 counts from %v", at.Sub(began))
		}
	})
}

func TestRecords_AreWhatClientsWriteTogether(t *testing.T) {
	w := Work{Bytes: 1000, ValueBytes: 100, Clients: 3}
	if w.Records() != 9 {
		t.Errorf("%d records of 3 clients", w.Records())
	}
}

func TestUsageOf_CountsAProcess(t *testing.T) {
	before, err := UsageOf(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	for began := Self(); Self()-began < 50*time.Millisecond; {
	}
	after, err := UsageOf(os.Getpid())
	if err != nil || after.CPU-before.CPU < 20*time.Millisecond || after.Memory < 1<<20 {
		t.Errorf("from %+v to %+v, %v", before, after, err)
	}
	if _, err := UsageOf(1 << 30); err == nil {
		t.Error("a process that is not there has no usage")
	}
}
