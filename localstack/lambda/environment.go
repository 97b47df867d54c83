package lambda

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	initMax = 10 * time.Second // Lambda's
	restMax = 5 * time.Second  // after an answer, until the function asks for more work
)

// environment is one process of a function, with a Runtime API of its own.
type environment struct {
	settings Settings
	cmd      *exec.Cmd
	server   *http.Server
	started  time.Time
	init     time.Duration
	failed   error // it could not be started

	asks  chan struct{} // has one for each GET next that waits
	work  chan *invocation
	ended chan struct{} // closed when the process is gone
	stop  sync.Once

	mu struct {
		sync.Mutex
		running *invocation
	}
}

// invocation is one on its way.
type invocation struct {
	id       string
	payload  []byte
	deadline time.Time
	done     chan Result // holds one
}

// start starts a process. What goes wrong shows at its first invocation.
func start(f Settings) *environment {
	e := &environment{settings: f, asks: make(chan struct{}, 1), work: make(chan *invocation), ended: make(chan struct{}), started: time.Now()}
	if e.failed = e.run(); e.failed != nil {
		close(e.ended)
	}
	return e
}

func (e *environment) run() error {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listen for the runtime: %w", err)
	}
	e.server = &http.Server{Handler: e.runtimeAPI(), ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = e.server.Serve(ln) }() // ends with kill
	e.cmd = exec.Command(e.settings.Bootstrap)
	e.cmd.Env = append([]string{
		"AWS_LAMBDA_RUNTIME_API=" + ln.Addr().String(), "AWS_LAMBDA_FUNCTION_NAME=" + e.settings.Name, "AWS_LAMBDA_FUNCTION_VERSION=$LATEST", "AWS_REGION=local",
		"_HANDLER=bootstrap", "LAMBDA_TASK_ROOT=/var/task", "PATH=" + os.Getenv("PATH"),
	}, e.settings.Env...)
	var log io.WriteCloser
	if e.settings.LogFile != "" {
		if log, err = os.OpenFile(e.settings.LogFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600); err != nil {
			return fmt.Errorf("open log: %w", err)
		}
		defer log.Close()
		e.cmd.Stdout, e.cmd.Stderr = log, log
	}
	e.cmd.SysProcAttr = dieWithParent()
	e.started = time.Now()
	if err := e.cmd.Start(); err != nil {
		e.server.Close()
		return fmt.Errorf("start %s: %w", e.settings.Bootstrap, err)
	}
	go func() {
		_ = e.cmd.Wait() // how it ended is told by who was waiting for it
		e.server.Close()
		close(e.ended)
	}()
	return nil
}

// invoke runs one invocation. The environment is awake after it, if it lives.
func (e *environment) invoke(payload []byte) Result {
	if e.failed != nil {
		return crashed("Runtime.InvalidEntrypoint", e.failed.Error())
	}
	e.thaw()
	var cold time.Duration
	if e.init == 0 {
		select {
		case <-e.asks:
			e.init = time.Since(e.started)
			cold = e.init
		case <-e.ended:
			return crashed("Runtime.ExitError", "the function ended before it asked for work")
		case <-time.After(initMax):
			e.kill()
			return crashed("Sandbox.Timedout", fmt.Sprintf("the function did not ask for work within %v", initMax))
		}
	}
	begin := time.Now()
	i := &invocation{id: NewID(), payload: payload, deadline: begin.Add(e.settings.Timeout), done: make(chan Result, 1)}
	e.mu.Lock()
	e.mu.running = i
	e.mu.Unlock()
	timeout := time.NewTimer(e.settings.Timeout)
	defer timeout.Stop()
	var result Result
	select {
	case e.work <- i:
		select {
		case result = <-i.done:
		case <-e.ended:
			result = crashed("Runtime.ExitError", "the function ended during its invocation")
			select { // it had answered before
			case result = <-i.done:
			default:
			}
		case <-timeout.C:
			e.kill()
			result = crashed("Sandbox.Timedout", fmt.Sprintf("Task timed out after %.2f seconds", e.settings.Timeout.Seconds()))
		}
	case <-e.ended:
		result = crashed("Runtime.ExitError", "the function had ended")
	}
	result.Init, result.Took, result.PeakBytes = cold, time.Since(begin), e.peakBytes()
	return result
}

// rest waits until the function asks for more work and freezes it; false: it has ended.
func (e *environment) rest() bool {
	select {
	case <-e.asks:
		e.freeze()
		return true
	case <-e.ended:
		return false
	case <-time.After(restMax):
		e.kill()
		return false
	}
}

// kill ends the process, frozen or not, and waits until it is gone.
func (e *environment) kill() {
	e.stop.Do(func() {
		if e.failed == nil {
			_ = e.cmd.Process.Kill() // has ended: as good
		}
	})
	<-e.ended
}

// crashed is the answer of a function that cannot answer by itself.
func crashed(kind, message string) Result {
	b, _ := json.Marshal(map[string]string{"errorType": kind, "errorMessage": message}) // two strings
	return Result{Payload: b, FunctionError: unhandled}
}

const unhandled = "Unhandled"

// peakBytes reads what Linux tells of the process.
func (e *environment) peakBytes() int64 {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(e.cmd.Process.Pid) + "/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kib, _ := strconv.ParseInt(strings.Fields(rest)[0], 10, 64) // 0: not told
			return kib << 10
		}
	}
	return 0
}

// NewID is a random UUID.
func NewID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
