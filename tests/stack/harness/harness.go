// Package harness runs firnlog, and what it needs, as real processes for the tests of the
// whole stack: etcd, MinIO, any number of brokers, and the client programs of other languages.
//
// A process is started, killed, paused and continued by its id; what it says is kept, and
// printed when the test fails. All of them end with the test, also when the test binary is killed.
//
// Owns: the processes it started, their ports and folders. Does not own: how programs got onto
// the machine (make stack-tools) nor what is tested.
package harness

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

// Poll is how often something is looked at that cannot be waited for.
const Poll = 10 * time.Millisecond

// Cache is where make stack-tools puts what tests need.
func Cache(t testing.TB) string {
	t.Helper()
	home, err := os.UserHomeDir()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(home, ".cache", "firnlog")
}

// Tool gives the path of a program that make stack-tools built.
func Tool(t testing.TB, name string) string {
	t.Helper()
	dir := os.Getenv("FIRNLOG_TOOLS")
	if dir == "" {
		dir = filepath.Join(Cache(t), "bin")
	}
	return existing(t, filepath.Join(dir, name))
}

// Firnlog gives the path of the binary under test: FIRNLOG_BINARY, or bin/firnlog of this checkout.
func Firnlog(t testing.TB) string {
	t.Helper()
	if path := os.Getenv("FIRNLOG_BINARY"); path != "" {
		return existing(t, path)
	}
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for ; filepath.Dir(dir) != dir; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return existing(t, filepath.Join(dir, "bin", "firnlog"))
		}
	}
	t.Fatal("no go.mod above the working folder")
	return ""
}

func existing(t testing.TB, path string) string {
	t.Helper()
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("%v: run make stack-tools build", err)
	}
	return path
}

// Ports that FreePort gives out. They lie below those from which the kernel takes the local
// end of outgoing connections: otherwise a client that keeps on connecting to a killed server
// would in the end get its port, and connect to itself.
const portFirst, portLast = 18_000, 32_000

// FreePort gives a port of 127.0.0.1 where nobody listens. It is the test's own as far as other
// test binaries of this machine ask the kernel for theirs.
func FreePort(t testing.TB) int {
	t.Helper()
	start := portFirst + int(time.Now().UnixNano()/1000)%(portLast-portFirst)
	for i := range portLast - portFirst {
		port := portFirst + (start-portFirst+i)%(portLast-portFirst)
		listener, err := net.Listen("tcp", Address(port))
		if err != nil {
			continue
		}
		listener.Close()
		return port
	}
	t.Fatal("no free port")
	return 0
}

// Address is the port on 127.0.0.1.
func Address(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// Await polls until check gives nil.
func Await(t testing.TB, limit time.Duration, what string, check func() error) time.Duration {
	t.Helper()
	start := time.Now()
	tick := time.NewTicker(Poll)
	defer tick.Stop()
	for {
		err := check()
		if err == nil {
			return time.Since(start)
		}
		if time.Since(start) > limit {
			t.Fatalf("%s: not after %v: %v", what, limit, err)
		}
		<-tick.C
	}
}

// Table prints rows as a table with a title, as one entry of the test's log.
func Table(t testing.TB, title string, rows [][2]string) {
	t.Helper()
	width := 0
	for _, r := range rows {
		width = max(width, len(r[0]))
	}
	out := title + "\n"
	for _, r := range rows {
		out += fmt.Sprintf("    %-*s  %s\n", width, r[0], r[1])
	}
	t.Log(out)
}
