package main

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// library is a folder with just what the edits look for.
func library(t *testing.T) string {
	t.Helper()
	src := t.TempDir()
	texts := map[string]string{}
	for _, e := range edits() {
		texts[e.file] += strings.Repeat(e.old+"\n", e.times)
	}
	for name, text := range texts {
		at := filepath.Join(src, name)
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(at, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return src
}

func TestWrite_ListsEveryChangedFileAndLeavesTheLibraryAlone(t *testing.T) {
	src, to := library(t), t.TempDir()
	if err := write(to, src); err != nil {
		t.Fatal(err)
	}
	body, err := os.ReadFile(filepath.Join(to, "overlay.json"))
	if err != nil {
		t.Fatal(err)
	}
	var list struct{ Replace map[string]string }
	if err := json.Unmarshal(body, &list); err != nil {
		t.Fatal(err)
	}
	for _, e := range edits() {
		changed, err := os.ReadFile(list.Replace[filepath.Join(src, e.file)])
		if err != nil || !strings.Contains(string(changed), e.new) {
			t.Errorf("%s: %v; no %q in %s", e.file, err, e.new, changed)
		}
		if was, err := os.ReadFile(filepath.Join(src, e.file)); err != nil || !strings.Contains(string(was), e.old) {
			t.Errorf("%s was changed, %v", e.file, err)
		}
	}
	if _, err := os.Stat(list.Replace[filepath.Join(src, streamFile)]); err != nil {
		t.Errorf("the file more: %v", err)
	}
}

func TestWrite_RefusesALibraryThatItDoesNotKnow(t *testing.T) {
	for _, text := range []string{"", "j := cheaprandn(uint32(norder + 1))\nj := cheaprandn(uint32(norder + 1))\n"} {
		src, to := library(t), t.TempDir()
		if err := os.WriteFile(filepath.Join(src, "runtime/select.go"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := write(to, src); !errors.Is(err, ErrUnknownText) || !strings.Contains(err.Error(), "runtime/select.go") {
			t.Errorf("%q: %v, want ErrUnknownText of runtime/select.go", text, err)
		}
		if left, _ := os.ReadDir(to); len(left) != 0 {
			t.Errorf("%q: wrote %v", text, left)
		}
	}
}
