// Package servers runs real S3 servers for tests with the build tag stack: MinIO and
// versitygw, each on a free port of 127.0.0.1 with its data in a temporary folder.
//
// Owns: the processes it started; they end with the test, also when it fails or the
// test binary is killed. Does not own: how the programs got there (make tools).
package servers

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Server is one running server.
type Server struct {
	Name     string
	Endpoint string // HOST:PORT, plain http
	// AccessKey and SecretKey are the server's own, of no use elsewhere.
	AccessKey, SecretKey string
	Region               string
	// Dir is where it keeps its data.
	Dir string

	program string
	args    []string
	env     []string
	health  string
	process *exec.Cmd
	ended   chan struct{}
	output  *output
}

const (
	accessKey = "firnlogtest"
	secretKey = "firnlogtest-secret"
	// readyMax is how long a server may take; MinIO on a busy machine needs seconds.
	readyMax = 60 * time.Second
)

// StartMinIO starts the program that FIRNLOG_MINIO names, or ~/.cache/firnlog/bin/minio.
func StartMinIO(t testing.TB) *Server {
	t.Helper()
	return startMinIO(t)
}

// StartMinIOWithKey starts one that can encrypt: with this one key, which it has from its environment.
func StartMinIOWithKey(t testing.TB, name string) *Server {
	t.Helper()
	secret := make([]byte, 32)
	_, _ = rand.Read(secret) // never fails
	return startMinIO(t, "MINIO_KMS_SECRET_KEY="+name+":"+base64.StdEncoding.EncodeToString(secret))
}

func startMinIO(t testing.TB, env ...string) *Server {
	t.Helper()
	address, dir := freeAddress(t), t.TempDir()
	return start(t, &Server{
		Name: "minio", Endpoint: address, Dir: dir,
		program: find(t, "FIRNLOG_MINIO", "minio"),
		args:    []string{"server", "--address", address, dir},
		env: append([]string{
			"MINIO_ROOT_USER=" + accessKey, "MINIO_ROOT_PASSWORD=" + secretKey,
			"MINIO_BROWSER=off", "MINIO_UPDATE=off",
		}, env...),
		// Not health/ready: that is 200 while requests still get 503 (measured).
		health: "/minio/health/cluster",
	})
}

// StartVersity starts the program that FIRNLOG_VERSITYGW names, or
// ~/.cache/firnlog/bin/versitygw, with its posix backend (which does not fsync).
func StartVersity(t testing.TB) *Server {
	t.Helper()
	address, dir := freeAddress(t), t.TempDir()
	return start(t, &Server{
		Name: "versitygw", Endpoint: address, Dir: dir,
		program: find(t, "FIRNLOG_VERSITYGW", "versitygw"),
		args:    []string{"--port", address, "--quiet", "--keep-alive", "--health", "/health", "posix", dir},
		env:     []string{"ROOT_ACCESS_KEY=" + accessKey, "ROOT_SECRET_KEY=" + secretKey},
		health:  "/health",
	})
}

// Environ is what a process needs to reach the server with AWS's usual variables.
func (s *Server) Environ() []string {
	return []string{
		"AWS_ACCESS_KEY_ID=" + s.AccessKey, "AWS_SECRET_ACCESS_KEY=" + s.SecretKey, "AWS_REGION=" + s.Region,
	}
}

// Pid is the process's id; 0 while it does not run.
func (s *Server) Pid() int {
	if s.process == nil {
		return 0
	}
	return s.process.Process.Pid
}

// Kill ends the server at once, as kill -9 does. Its data and its port stay its own.
func (s *Server) Kill() {
	if s.process == nil {
		return
	}
	_ = s.process.Process.Kill() // it fails if the process has ended by itself
	<-s.ended
	s.process = nil
}

// Pause stops the server in the middle of whatever it does (SIGSTOP); Continue lets it go on.
func (s *Server) Pause(t testing.TB) { t.Helper(); s.signal(t, syscall.SIGSTOP) }

// Continue lets a paused server go on.
func (s *Server) Continue(t testing.TB) { t.Helper(); s.signal(t, syscall.SIGCONT) }

func (s *Server) signal(t testing.TB, sig syscall.Signal) {
	t.Helper()
	if err := s.process.Process.Signal(sig); err != nil {
		t.Errorf("signal %v to %s: %v", sig, s.Name, err)
	}
}

// Restart starts a killed server again on its data and port, and waits until it is ready.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	s.Kill()
	s.run(t)
}

func start(t testing.TB, s *Server) *Server {
	t.Helper()
	s.AccessKey, s.SecretKey, s.Region = accessKey, secretKey, "us-east-1"
	t.Cleanup(func() {
		s.Kill()
		if t.Failed() {
			t.Logf("%s said last:\n%s", s.Name, s.output)
		}
	})
	s.run(t)
	return s
}

func (s *Server) run(t testing.TB) {
	t.Helper()
	s.output = &output{}
	process := exec.Command(s.program, s.args...)
	process.Env = append(s.env, "PATH="+os.Getenv("PATH"), "HOME="+os.Getenv("HOME"))
	process.Stdout, process.Stderr = s.output, s.output
	process.SysProcAttr = dieWithParent()
	if err := process.Start(); err != nil {
		t.Fatalf("start %s: %v", s.Name, err)
	}
	ended := make(chan struct{})
	go func() {
		_ = process.Wait()
		close(ended)
	}()
	s.process, s.ended = process, ended
	s.await(t)
}

// await polls the health endpoint.
func (s *Server) await(t testing.TB) {
	t.Helper()
	client := http.Client{Timeout: 2 * time.Second}
	defer client.CloseIdleConnections()
	deadline := time.NewTimer(readyMax)
	defer deadline.Stop()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		response, err := client.Get("http://" + s.Endpoint + s.health)
		if err == nil {
			_ = response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return
			}
			err = fmt.Errorf("health: %s", response.Status)
		}
		select {
		case <-tick.C:
		case <-s.ended:
			t.Fatalf("%s ended at its start:\n%s", s.Name, s.output)
		case <-deadline.C:
			t.Fatalf("%s is not ready after %v: %v", s.Name, readyMax, err)
		}
	}
}

func find(t testing.TB, variable, name string) string {
	t.Helper()
	path := os.Getenv(variable)
	if path == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			t.Fatal(err)
		}
		path = filepath.Join(home, ".cache", "firnlog", "bin", name)
	}
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("%v: build it there, or name it in %s", err, variable)
	}
	return path
}

func freeAddress(t testing.TB) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	return address
}

// output keeps the end of what a server says.
type output struct {
	mu struct {
		sync.Mutex
		end bytes.Buffer
	}
}

const outputMax = 16 << 10

// Write implements io.Writer.
func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.mu.end.Write(p)
	if extra := o.mu.end.Len() - outputMax; extra > 0 {
		o.mu.end.Next(extra)
	}
	return len(p), nil
}

// String gives it.
func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.mu.end.String()
}
