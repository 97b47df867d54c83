package harness

import (
	"context"
	"os"
	"os/exec"
	"testing"
	"time"
)

// Fsck reads everything that a cluster has, and fails the test when something is wrong. It may run.
func Fsck(t testing.TB, env []string, args ...string) {
	t.Helper()
	if code, out := Tools(t, env, append([]string{"fsck", "--deep"}, args...)...); code != 0 {
		t.Errorf("fsck ends with %d:\n%s", code, out)
	}
}

// Tools runs a tool of firnlog to its end, and gives its exit code and what it said.
func Tools(t testing.TB, env []string, args ...string) (code int, out string) {
	t.Helper()
	const toolMax = 2 * time.Minute
	ctx, cancel := context.WithTimeout(context.Background(), toolMax)
	defer cancel()
	cmd := exec.CommandContext(ctx, Firnlog(t), args...)
	cmd.Env = append(os.Environ(), env...)
	cmd.SysProcAttr = dieWithParent()
	said, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		t.Fatalf("run firnlog %s: %v", args[0], err)
	}
	return cmd.ProcessState.ExitCode(), string(said)
}
