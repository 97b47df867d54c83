// Package firnlog_test holds the rules that the whole tree must keep: which
// package may import which, and what every package and function looks like.
package firnlog_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/firnlog/firnlog/"

// layers is the way a record flows, from the top down: a package may import
// packages of lower layers, never of its own or a higher one. A name stands for the folder and
// all below it, unless a longer one fits.
var layers = [][]string{
	{"cmd", "functions", "sim", "bench/compare"},
	{"tests"},
	{"bench"},
	{"core/broker", "core/invoke", "core/maintain", "core/coretest"},
	{"core/wire", "core/rest", "core/deliver", "core/console"},
	{"core/consume"},
	{"core/ingest", "core/fetch", "core/restore", "core/fsck", "core/cost", "core/compact", "core/retain", "core/chill", "core/fork"},
	{"core/group", "core/txn", "core/topic", "core/upgrade"},
	{"core/upkeep", "core/settle", "core/backup"},
	{"core/amend", "core/sweep"},
	{"core/reference"},
	{"core/stream", "core/cache", "core/instance", "core/duty", "core/archive"},
	{"core/manifest"},
	{"core/ledger"},
	{"core/segment"},
	{"core/record"},
	{"core/acl", "core/quota"},
	{"core/auth"},
	{"core/watched"},
	{"core/config", "core/telemetry", "core/tracing", "core/rule", "core/pause", "core/observed"},
	{"localstack"},
	{"coordination", "objectstore"},
}

// onlyFor lists who may import what drags in much or is meant for one place.
var onlyFor = map[string][]string{
	"localstack":                {"cmd/firnlog", "localstack", "tests"},
	"go.etcd.io/etcd/server/v3": {"localstack/etcd"},
	"objectstore/storeurl":      {"cmd", "functions"},
	"core/tracing/otlp":         {"cmd/firnlog"},
	"core/console":              {"core/broker"}, // functions do not carry it
	"go.opentelemetry.io":       {"core/tracing/otlp"},
}

// pure packages do no I/O: nothing that could.
var pure = map[string]bool{"core/record": true, "core/segment": true, "core/ledger": true, "core/manifest": true}

var impure = []string{"os", "net", "net/http", "time", "math/rand", "math/rand/v2", "crypto/rand", "context", "sync"}

// impureAllowed are exceptions, each with its reason.
var impureAllowed = map[string]string{
	"core/record sync": "pools of compressors, held by the caller",
}

type source struct {
	dir, name string
	file      *ast.File
}

func (s source) isTest() bool { return strings.HasSuffix(s.name, "_test.go") }

func sources(t *testing.T) (out []source, fset *token.FileSet) {
	t.Helper()
	fset = token.NewFileSet()
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (strings.HasPrefix(d.Name(), ".") && path != "." || d.Name() == "testdata" || d.Name() == "node_modules") {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(path, ".go") {
			return nil
		}
		f, err := parser.ParseFile(fset, path, nil, parser.ParseComments)
		if err != nil {
			return err
		}
		out = append(out, source{filepath.ToSlash(filepath.Dir(path)), d.Name(), f})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out, fset
}

// layerOf gives the layer of a folder, or -1.
func layerOf(dir string) int {
	best, length := -1, 0
	for i, names := range layers {
		for _, n := range names {
			if below(dir, n) && len(n) > length {
				best, length = i, len(n)
			}
		}
	}
	return best
}

func below(dir, name string) bool { return dir == name || strings.HasPrefix(dir, name+"/") }

// top is the entry of layers that a folder belongs to.
func top(dir string) string {
	for _, names := range layers {
		for _, n := range names {
			if below(dir, n) {
				return n
			}
		}
	}
	return dir
}

func TestImports_GoDownwardsOnly(t *testing.T) {
	all, _ := sources(t)
	shared := namesOfSeveral(all)
	for _, s := range all {
		if s.isTest() || s.dir == "." {
			continue
		}
		from := layerOf(s.dir)
		if from < 0 {
			t.Errorf("%s: folder %s has no layer: add it to layers in architecture_test.go", s.name, s.dir)
			continue
		}
		for _, imp := range s.file.Imports {
			path, _ := strconv.Unquote(imp.Path.Value)
			if imp.Name != nil && strings.HasPrefix(path, module) && !shared[filepath.Base(path)] {
				t.Errorf("%s/%s: import alias %s inside the module", s.dir, s.name, imp.Name.Name)
			}
			checkOnlyFor(t, s, path)
			to, ours := strings.CutPrefix(path, module)
			if !ours || top(to) == top(s.dir) {
				continue
			}
			if l := layerOf(to); l <= from {
				t.Errorf("%s/%s imports %s: not downwards", s.dir, s.name, to)
			}
		}
	}
}

// namesOfSeveral are package names that two folders have (drivers of the same kind), which an alias may tell apart.
func namesOfSeveral(all []source) map[string]bool {
	dirs := map[string]map[string]bool{}
	for _, s := range all {
		name := filepath.Base(s.dir)
		if dirs[name] == nil {
			dirs[name] = map[string]bool{}
		}
		dirs[name][s.dir] = true
	}
	out := map[string]bool{}
	for name, in := range dirs {
		out[name] = len(in) > 1
	}
	return out
}

func checkOnlyFor(t *testing.T, s source, path string) {
	t.Helper()
	short := strings.TrimPrefix(path, module)
	for what, who := range onlyFor {
		if below(short, what) && !slices.ContainsFunc(who, func(w string) bool { return below(s.dir, w) }) && !below(s.dir, what) {
			t.Errorf("%s/%s imports %s: only for %v", s.dir, s.name, path, who)
		}
	}
}

func TestPurePackages_DoNoIO(t *testing.T) {
	all, _ := sources(t)
	for _, s := range all {
		if s.isTest() || !pure[s.dir] {
			continue
		}
		for _, imp := range s.file.Imports {
			path, _ := strconv.Unquote(imp.Path.Value)
			if slices.Contains(impure, path) && impureAllowed[s.dir+" "+path] == "" {
				t.Errorf("%s/%s imports %s: the package is pure", s.dir, s.name, path)
			}
		}
	}
}

func TestPackages_HaveACommentAndAName(t *testing.T) {
	all, _ := sources(t)
	commented, dirs := map[string]bool{}, map[string]bool{}
	for _, s := range all {
		if s.isTest() {
			continue
		}
		dirs[s.dir] = true
		if s.file.Doc != nil && strings.HasPrefix(s.file.Doc.Text(), "Package ") || s.file.Name.Name == "main" && s.file.Doc != nil {
			commented[s.dir] = true
		}
		switch s.file.Name.Name {
		case "util", "utils", "common", "helpers", "manager", "types", "misc":
			t.Errorf("%s: package %s: name it after what it holds", s.dir, s.file.Name.Name)
		}
	}
	for dir := range dirs {
		if !commented[dir] {
			t.Errorf("%s has no package comment: what it is, what it owns, what it does not own", dir)
		}
	}
}

func TestFunctions_AreShort(t *testing.T) {
	const linesMax = 70
	all, fset := sources(t)
	for _, s := range all {
		for _, d := range s.file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || f.Body == nil {
				continue
			}
			if n := fset.Position(f.End()).Line - fset.Position(f.Pos()).Line + 1; n > linesMax {
				t.Errorf("%s/%s: %s has %d lines, the most is %d", s.dir, s.name, f.Name.Name, n, linesMax)
			}
		}
	}
}

func TestPrograms_HaveNoGlobalsWithBehaviour(t *testing.T) {
	all, _ := sources(t)
	for _, s := range all {
		for _, d := range s.file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == "init" {
				t.Errorf("%s/%s has an init function: construct things where they are used", s.dir, s.name)
			}
		}
	}
}
