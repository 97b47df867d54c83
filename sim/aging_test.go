package sim

import (
	"testing"
	"time"
)

func TestLatest_AClockThatIsSetBackHasShownWhatItShowed(t *testing.T) {
	now := time.UnixMilli(1000)
	l := &latest{now: func() time.Time { return now }}
	l.forget()
	l.show()
	now = time.UnixMilli(10)
	if at := l.show(); at != now || l.ms.Load() != 1000 {
		t.Errorf("shows %v, and has shown %d ms", at, l.ms.Load())
	}
	l.forget()
	if l.show(); l.ms.Load() != 10 {
		t.Errorf("of another decision: %d ms", l.ms.Load())
	}
}
