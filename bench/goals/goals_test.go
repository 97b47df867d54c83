package goals

import (
	"math"
	"strings"
	"testing"
	"time"
)

func TestBusy_LeavesOutWaitingAndWhatWasStolen(t *testing.T) {
	got, err := busy("cpu  100 20 30 5000 600 4 6 700 50 0\ncpu0 1 1 1 1 1 1 1 1 1 1\n")
	if err != nil || got != 1600*time.Millisecond {
		t.Errorf("%v, %v", got, err)
	}
	for _, bad := range []string{"", "cpu 1 2 3", "intr 1 2 3 4 5 6 7 8", "cpu 1 2 x 4 5 6 7 8"} {
		if _, err := busy(bad); err == nil {
			t.Errorf("%q was read", bad)
		}
	}
}

func TestTable_SaysWhatIsMetAndWhatMissed(t *testing.T) {
	var table Table
	table.AtLeast("speed", 0.6, 0.6, "%.2f")
	table.AtMost("memory", 40, 41.2, "%.1f MiB")
	table.AtMost("never measured", 40, math.NaN(), "%.0f")
	table.Note("beside", "%d things", 3)
	got := table.String()
	for _, want := range []string{
		"| speed | ≥ 0.60 | 0.60 | met |", "| memory | ≤ 40.0 MiB | 41.2 MiB | **missed** |",
		"| never measured | ≤ 40 | NaN | **missed** |", "| – beside |  | 3 things |  |",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
}

func TestMedian_OfAnyCount(t *testing.T) {
	if a, b := Median([]float64{9, 1, 2}), Median([]float64{4, 1, 2, 90}); a != 2 || b != 3 || !math.IsNaN(Median(nil)) {
		t.Error(a, b)
	}
}
