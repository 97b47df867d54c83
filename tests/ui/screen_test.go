//go:build stack

package ui

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/firnlog/firnlog/tests/stack/harness"
)

// screen is a terminal with one program in it.
type screen struct {
	*testing.T
	socket string
}

const showMax = 30 * time.Second // how long a program may take to show something on a busy machine

// open starts a terminal that ends with the test, and a program in it.
func open(t *testing.T, program string, args ...string) *screen {
	t.Helper()
	s := &screen{t, filepath.Join(t.TempDir(), "tmux")}
	harness.NewProcess(t, "tmux", "tmux", []string{"LANG=C.UTF-8", "TERM=xterm-256color"}, "-S", s.socket, "-f", "/dev/null", "-D").Start()
	line := "env TERM=xterm-256color LANG=C.UTF-8 XDG_CONFIG_HOME=" + t.TempDir() + " " + program + " " + strings.Join(args, " ")
	harness.Await(t, showMax, "a terminal", func() error {
		if r := s.tmux("new-session", "-d", "-x", "180", "-y", "45", line); r.Err != nil {
			return fmt.Errorf("%s", r.Errors)
		}
		return nil
	})
	return s
}

// tmux asks the server that the test started: it starts none itself (-N), which would outlive the test.
func (s *screen) tmux(args ...string) harness.Result {
	s.Helper()
	return harness.Run(s.T, nil, "tmux", append([]string{"-N", "-S", s.socket}, args...)...)
}

// press sends keys, by tmux's names: Enter, Escape, C-s, or a text.
func (s *screen) press(keys ...string) {
	s.Helper()
	s.tmux(append([]string{"send-keys"}, keys...)...).Must(s.T)
}

var frames = regexp.MustCompile(`[│┃┌┐└┘─━╸╺╹╻▔▁▎▏▕]+`)

// text is what the screen shows, without frames, and with single blanks.
func (s *screen) text() string {
	s.Helper()
	var out []string
	for line := range strings.Lines(s.tmux("capture-pane", "-p").Must(s.T)) {
		if line = strings.Join(strings.Fields(frames.ReplaceAllString(line, " ")), " "); line != "" {
			out = append(out, line)
		}
	}
	return strings.Join(out, "\n")
}

// shows waits until the screen shows all these patterns, each within a line.
func (s *screen) shows(patterns ...string) {
	s.Helper()
	start := time.Now()
	for {
		last, missing := s.text(), ""
		for _, p := range patterns {
			if !regexp.MustCompile(`(?m)` + p).MatchString(last) {
				missing = p
			}
		}
		if missing == "" {
			return
		}
		if time.Since(start) > showMax {
			s.Fatalf("the screen does not show %q, but:\n%s", missing, last)
		}
		time.Sleep(100 * time.Millisecond) // a screen cannot be waited for
	}
}
