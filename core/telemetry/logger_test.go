package telemetry

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestLogger_OneMessageIsBoundedAndOthersAreNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		log := NewLogger(&out, "info")
		part := log.With("part", "kafka")
		for i := range 10_000 {
			part.Info("connection closed", "client", fmt.Sprint(i), "error", errors.New("authentication failed"))
		}
		log.Info("something else")
		if n := strings.Count(out.String(), "\n"); n != linesBurst+1 {
			t.Errorf("%d lines", n)
		}
		out.Reset()
		time.Sleep(time.Second)
		for range 100 {
			part.Info("connection closed")
		}
		lines := strings.Split(strings.TrimSpace(out.String()), "\n")
		if len(lines) != linesPerSecond || !strings.Contains(lines[0], fmt.Sprint("dropped=", 10_000-linesBurst)) || strings.Contains(lines[1], "dropped") {
			t.Errorf("%d lines: %s", len(lines), lines[0])
		}
		if n := Dropped(part); n != 10_000-linesBurst+100-linesPerSecond {
			t.Errorf("%d dropped", n)
		}
	})
}

func TestLogger_MessagesWithoutEndShareOneAllowance(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		log := NewLogger(&out, "info")
		for i := range 10 * messagesMax {
			log.Info(fmt.Sprint("message ", i))
		}
		if n := strings.Count(out.String(), "\n"); n != messagesMax+linesBurst {
			t.Errorf("%d lines", n)
		}
	})
}

func TestLogger_WritesEverythingAtDebug(t *testing.T) {
	var out bytes.Buffer
	log := NewLogger(&out, "debug")
	for range 500 {
		log.Info("x")
	}
	if n := strings.Count(out.String(), "\n"); n != 500 || Dropped(log) != 0 {
		t.Errorf("%d lines", n)
	}
}
