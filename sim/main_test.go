package sim

import (
	"os"
	"runtime/debug"
	"testing"
)

// TestMain: histories are short-lived garbage; collecting it less often makes them a third faster.
func TestMain(m *testing.M) {
	debug.SetGCPercent(400)
	os.Exit(m.Run())
}
