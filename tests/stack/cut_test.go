//go:build stack

package stack_test

import (
	"testing"

	"github.com/firnlog/firnlog/tests/stack/harness"
)

// Answers that get lost make producers send again what was written already.
func TestCut_ConnectionsUnderLoadWriteNothingTwice(t *testing.T) {
	front := harness.Address(harness.FreePort(t))
	b := harness.StartDev(t, t.TempDir(), "--advertise", front)
	proxy := harness.StartProxy(t, front, b.Kafka)
	tr := startTraffic(t, []string{front}, "cut", workers)
	for range rounds(20) {
		tr.more(500)
		proxy.Cut()
	}
	tr.more(500)
	tr.check()
}
