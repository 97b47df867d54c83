package harness

import (
	"bytes"
	"context"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// programMax is how long a client program may run.
const programMax = 2 * time.Minute

// Result is what a client program said, and how it ended.
type Result struct {
	Output string
	Errors string
	Err    error
}

// Run runs a program to its end.
func Run(t testing.TB, input []byte, program string, args ...string) Result {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), programMax)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Stdin = bytes.NewReader(input)
	cmd.SysProcAttr = dieWithParent()
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if ctx.Err() != nil {
		t.Errorf("%s has not ended after %v", filepath.Base(program), programMax)
	}
	return Result{out.String(), errs.String(), err}
}

// Must gives the output of a program that ended well, and fails the test otherwise.
func (r Result) Must(t testing.TB) string {
	t.Helper()
	if r.Err != nil {
		t.Fatalf("client program: %v\n%s\n%s", r.Err, end(r.Output), end(r.Errors))
	}
	return r.Output
}

func end(s string) string {
	const limit = 4 << 10
	if len(s) > limit {
		return "…" + s[len(s)-limit:]
	}
	return s
}

// Kcat runs kcat.
func Kcat(t testing.TB, input []byte, args ...string) Result {
	t.Helper()
	return Run(t, input, "kcat", args...)
}

// Python runs a script of tests/stack/clients with the Python that has confluent-kafka.
func Python(t testing.TB, script string, args ...string) Result {
	t.Helper()
	program, all := python(t, script, args)
	return Run(t, nil, program, all...)
}

// TalkPython does so with a script that waits for words.
func TalkPython(t testing.TB, script string, args ...string) *Talk {
	t.Helper()
	program, all := python(t, script, args)
	return StartTalk(t, "librdkafka", program, all...)
}

// Java runs a program of tests/stack/clients: one source file, compiled in memory.
func Java(t testing.TB, source string, args ...string) Result {
	t.Helper()
	program, all := java(t, source, args)
	return Run(t, nil, program, all...)
}

// TalkJava does so with a program that waits for words.
func TalkJava(t testing.TB, source string, args ...string) *Talk {
	t.Helper()
	program, all := java(t, source, args)
	return StartTalk(t, "java", program, all...)
}

func python(t testing.TB, script string, args []string) (program string, all []string) {
	t.Helper()
	return existing(t, filepath.Join(Cache(t), "python", "bin", "python")), append([]string{clientFile(t, script)}, args...)
}

func java(t testing.TB, source string, args []string) (program string, all []string) {
	t.Helper()
	jars := existing(t, filepath.Join(Cache(t), "java"))
	return "java", append([]string{
		"-XX:TieredStopAtLevel=1", "-Xmx256m", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
		"-cp", filepath.Join(jars, "*"), clientFile(t, source),
	}, args...)
}

func clientFile(t testing.TB, name string) string {
	t.Helper()
	_, here, _, ok := runtime.Caller(0)
	if !ok {
		t.Fatal("no path of this source file")
	}
	return existing(t, filepath.Join(filepath.Dir(here), "..", "clients", name))
}

// Facts reads lines of NAME=VALUE that a client program printed.
func Facts(output string) map[string]string {
	facts := map[string]string{}
	for line := range strings.Lines(output) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok {
			facts[name] = value
		}
	}
	return facts
}
