//go:build stack

package ui

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/firnlog/firnlog/tests/stack/harness"
)

// browser is Debian's chromium without a window, spoken to in its DevTools protocol over two pipes: no port, no library.
type browser struct {
	*testing.T
	out     *os.File
	session string
	mu      struct {
		sync.Mutex
		last    int
		waiting map[int]chan reply
		errors  []string // of the console, of scripts, of the content security policy
	}
}

type reply struct {
	ID     int             `json:"id"`
	Method string          `json:"method"`
	Params json.RawMessage `json:"params"`
	Result json.RawMessage `json:"result"`
	Error  *struct {
		Message string `json:"message"`
	} `json:"error"`
}

const (
	answerMax = 30 * time.Second
	shownMax  = 20 * time.Second
)

// newBrowser starts it, with one empty page.
func newBrowser(t *testing.T) *browser {
	t.Helper()
	program, err := exec.LookPath("chromium")
	if err != nil {
		t.Fatalf("%v: run make system-packages", err)
	}
	toBrowser, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	in, fromBrowser, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--disable-background-networking",
		"--disable-component-update", "--disable-extensions", "--hide-scrollbars", "--user-data-dir="+t.TempDir(), "--remote-debugging-pipe", "about:blank")
	cmd.ExtraFiles = []*os.File{toBrowser, fromBrowser} // 3 and 4, as the flag means
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	toBrowser.Close()
	fromBrowser.Close()
	b := &browser{T: t, out: out}
	b.mu.waiting = map[int]chan reply{}
	go b.listen(in)
	t.Cleanup(func() {
		_ = b.tell("Browser.close", nil, "")
		ended := make(chan struct{})
		go func() { _ = cmd.Wait(); close(ended) }()
		select {
		case <-ended:
		case <-time.After(10 * time.Second):
			_ = cmd.Process.Kill()
			<-ended
		}
		out.Close()
		in.Close()
	})
	var target struct{ TargetID string }
	b.must("Target.createTarget", map[string]any{"url": "about:blank"}, &target)
	var attached struct{ SessionID string }
	b.must("Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true}, &attached)
	b.session = attached.SessionID
	for _, domain := range []string{"Page", "Runtime", "Log", "Network"} {
		b.must(domain+".enable", nil, nil)
	}
	return b
}

// listen hands answers to who waits for them, and notes what should not happen.
func (b *browser) listen(in *os.File) {
	for r := bufio.NewReaderSize(in, 1<<20); ; {
		line, err := r.ReadBytes(0)
		if err != nil {
			return
		}
		var m reply
		if json.Unmarshal(line[:len(line)-1], &m) != nil {
			continue
		}
		b.mu.Lock()
		if wait := b.mu.waiting[m.ID]; m.ID != 0 && wait != nil {
			delete(b.mu.waiting, m.ID)
			wait <- m
		}
		if complaint(&m) {
			b.mu.errors = append(b.mu.errors, m.Method+" "+string(m.Params))
		}
		b.mu.Unlock()
	}
}

// complaint says that an event is an error of a script, of the console, or of the page's policy.
func complaint(m *reply) bool {
	var p struct {
		Type  string
		Entry struct{ Level string }
	}
	_ = json.Unmarshal(m.Params, &p)
	switch m.Method {
	case "Runtime.exceptionThrown":
		return true
	case "Runtime.consoleAPICalled":
		return p.Type == "error" || p.Type == "warning" || p.Type == "assert"
	case "Log.entryAdded":
		return p.Entry.Level == "error" || p.Entry.Level == "warning"
	}
	return false
}

// complaints gives those since it was last asked.
func (b *browser) complaints() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := b.mu.errors
	b.mu.errors = nil
	return out
}

func (b *browser) tell(method string, params any, session string) <-chan reply {
	wait := make(chan reply, 1)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.mu.last++
	id := b.mu.last
	b.mu.waiting[id] = wait
	message := map[string]any{"id": id, "method": method}
	if params != nil {
		message["params"] = params
	}
	if session != "" {
		message["sessionId"] = session
	}
	line, _ := json.Marshal(message)
	_, _ = b.out.Write(append(line, 0))
	return wait
}

// must sends a command, and reads its result.
func (b *browser) must(method string, params, into any) {
	b.Helper()
	select {
	case r := <-b.tell(method, params, b.session):
		if r.Error != nil {
			b.Fatalf("%s: %s", method, r.Error.Message)
		}
		if into != nil {
			if err := json.Unmarshal(r.Result, into); err != nil {
				b.Fatalf("%s: %v", method, err)
			}
		}
	case <-time.After(answerMax):
		b.Fatalf("%s: no answer", method)
	}
}

// eval runs an expression in the page and reads its value, once it is there.
func (b *browser) eval(expression string, into any) {
	b.Helper()
	var r struct {
		Result           struct{ Value json.RawMessage }
		ExceptionDetails json.RawMessage
	}
	b.must("Runtime.evaluate", map[string]any{"expression": expression, "awaitPromise": true, "returnByValue": true}, &r)
	if r.ExceptionDetails != nil {
		b.Fatalf("%.200s: %s", expression, r.ExceptionDetails)
	}
	if into == nil {
		return
	}
	if err := json.Unmarshal(r.Result.Value, into); err != nil {
		b.Fatalf("%.200s: %v: %s", expression, err, r.Result.Value)
	}
}

func (b *browser) open(url string) {
	b.Helper()
	b.must("Page.navigate", map[string]any{"url": url}, nil)
}

// shows waits until the page's text has all of these.
func (b *browser) shows(texts ...string) {
	b.Helper()
	harness.Await(b, shownMax, "the page shows "+strings.Join(texts, ", "), func() error {
		var got string
		b.eval("document.body?.innerText ?? ''", &got)
		for _, want := range texts {
			if !strings.Contains(got, want) {
				return fmt.Errorf("no %q in\n%s", want, got)
			}
		}
		return nil
	})
}

// press sends a key as the keyboard does.
func (b *browser) press(key string, code int, text string) {
	b.Helper()
	for _, kind := range []string{"keyDown", "keyUp"} {
		params := map[string]any{"type": kind, "key": key, "code": key, "windowsVirtualKeyCode": code}
		if kind == "keyDown" && text != "" {
			params["text"] = text
		}
		b.must("Input.dispatchKeyEvent", params, nil)
	}
}

// look sets width and colours.
func (b *browser) look(width, height int, scheme string) {
	b.Helper()
	b.must("Emulation.setDeviceMetricsOverride", map[string]any{"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false}, nil)
	b.must("Emulation.setEmulatedMedia", map[string]any{"features": []map[string]string{{"name": "prefers-color-scheme", "value": scheme}, {"name": "prefers-reduced-motion", "value": "reduce"}}}, nil)
}

// shoot writes what is seen to a file.
func (b *browser) shoot(dir, name string) {
	b.Helper()
	params := map[string]any{"format": *format, "captureBeyondViewport": false}
	if *format != "png" {
		params["quality"] = 72
	}
	var shot struct{ Data string }
	b.must("Page.captureScreenshot", params, &shot)
	picture, err := base64.StdEncoding.DecodeString(shot.Data)
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, name+"."+*format), picture, 0o644)
	}
	if err != nil {
		b.Fatal(err)
	}
}
