// Command overlay writes what a build for exact replay takes instead of the standard library's own files, and a list of
// them for `go build -overlay`:
//
//	go run ./sim/replay/overlay -to DIR
//	GOMAXPROCS=1 go test -overlay DIR/overlay.json -tags replay ./sim …
//
// It reads the files of the installed Go, changes a few lines of each (edits.go), and refuses when a line is not what it
// was: then the edits have to be looked at again for that version. Nothing is written below GOROOT.
//
// Owns: the edits. Does not own: when a bubble's stream begins (sim/replay).
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// ErrUnknownText says that a file of the standard library is not the one that the edits were written for.
var ErrUnknownText = errors.New("not the text that is to be changed")

func main() {
	to := flag.String("to", "", "the folder to write to")
	flag.Parse()
	if err := run(*to); err != nil {
		fmt.Fprintln(os.Stderr, "overlay:", err)
		os.Exit(1)
	}
}

func run(to string) error {
	if to == "" {
		return errors.New("say where to write: -to DIR")
	}
	to, err := filepath.Abs(to)
	if err != nil {
		return fmt.Errorf("find folder: %w", err)
	}
	said, err := exec.Command("go", "env", "GOROOT", "GOVERSION").Output()
	if err != nil {
		return fmt.Errorf("ask go for its folder: %w", err)
	}
	goroot, version, _ := strings.Cut(strings.TrimSpace(string(said)), "\n")
	if err := write(to, filepath.Join(goroot, "src")); err != nil {
		return fmt.Errorf("%s: %w", version, err)
	}
	return nil
}

// write writes the changed files of src and the list of them to a folder.
func write(to, src string) error {
	files, err := change(src)
	if err != nil {
		return err
	}
	files[streamFile] = streamText
	var list struct{ Replace map[string]string }
	list.Replace = map[string]string{}
	for name, text := range files {
		at := filepath.Join(to, name+".txt") // no Go file, lest tools take it for a package
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			return fmt.Errorf("make folder: %w", err)
		}
		if err := os.WriteFile(at, []byte(text), 0o644); err != nil {
			return fmt.Errorf("write %s: %w", name, err)
		}
		list.Replace[filepath.Join(src, name)] = at
	}
	body, err := json.MarshalIndent(list, "", " ")
	if err != nil {
		return fmt.Errorf("encode list: %w", err)
	}
	if err := os.WriteFile(filepath.Join(to, "overlay.json"), body, 0o644); err != nil {
		return fmt.Errorf("write list: %w", err)
	}
	return nil
}

// change gives all files that have edits, changed.
func change(src string) (map[string]string, error) {
	out := map[string]string{}
	for _, e := range edits() {
		text, ok := out[e.file]
		if !ok {
			body, err := os.ReadFile(filepath.Join(src, e.file))
			if err != nil {
				return nil, fmt.Errorf("read %s: %w", e.file, err)
			}
			text = string(body)
		}
		if n := strings.Count(text, e.old); n != e.times {
			return nil, fmt.Errorf("%w: %s has %d times, not %d, %q (%s)", ErrUnknownText, e.file, n, e.times, e.old, e.why)
		}
		out[e.file] = strings.ReplaceAll(text, e.old, e.new)
	}
	return out, nil
}
