package infra_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/firnlog/firnlog/core/config"
)

// variables gives the environment variables of a struct of settings, by name, with its field.
func variables(t *testing.T, settings ...any) map[string]reflect.StructField {
	t.Helper()
	out := map[string]reflect.StructField{}
	var walk func(reflect.Type)
	walk = func(s reflect.Type) {
		for i := range s.NumField() {
			f := s.Field(i)
			if f.Anonymous {
				walk(f.Type)
			}
			if name := f.Tag.Get("env"); name != "" {
				out[name] = f
			}
		}
	}
	for _, s := range settings {
		walk(reflect.TypeOf(s))
	}
	return out
}

// needed are variables without which nothing starts.
func needed(all map[string]reflect.StructField) (out []string) {
	for name, f := range all {
		if _, required := f.Tag.Lookup("required"); required {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

// functions are the resources of functions, by the folder that their zip is made of.
func functions(t *testing.T) map[string]object {
	t.Helper()
	root := load(t, "template.yaml", nil)
	out := map[string]object{}
	for name, r := range root.get("Resources") {
		if r := r.(object); r["Type"] == "AWS::Serverless::Function" {
			p := r["Properties"].(object)
			zip, ok := strings.CutPrefix(p["CodeUri"].(string), "../../dist/")
			folder, isZip := strings.CutSuffix(zip, ".zip")
			if !ok || !isZip || folder != strings.ToLower(name) {
				t.Errorf("%s: code is %v, want ../../dist/%s.zip", name, p["CodeUri"], strings.ToLower(name))
			}
			out[folder] = p
		}
	}
	return out
}

func TestFunctions_EachFolderHasAResourceAndEachResourceAFolder(t *testing.T) {
	mains, err := filepath.Glob("../functions/*/main.go")
	if err != nil {
		t.Fatal(err)
	}
	var folders []string
	for _, m := range mains {
		folders = append(folders, filepath.Base(filepath.Dir(m)))
	}
	if got := slices.Sorted(maps.Keys(functions(t))); !slices.Equal(got, folders) {
		t.Errorf("the template has the functions %v, the code %v", got, folders)
	}
	script, err := os.ReadFile("deploy")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range folders {
		if !regexp.MustCompile(`dist/\{[a-z,]*\b` + f + `\b[a-z,]*\}\.zip`).Match(script) {
			t.Errorf("deploy does not ask for dist/%s.zip", f)
		}
	}
}

// settingsOf are what a function reads: what all do, and its own.
func settingsOf(function string) []any {
	switch function {
	case "maintenance":
		return []any{config.Function{}, config.Maintenance{}}
	case "deliver":
		return []any{config.Function{}, config.Deliver{}}
	default:
		return []any{config.Function{}}
	}
}

// A variable that is misspelt would be ignored silently.
func TestFunctions_GetVariablesThatTheyRead(t *testing.T) {
	root := load(t, "template.yaml", nil)
	shared := root.get("Globals", "Function", "Environment", "Variables")
	for name, p := range functions(t) {
		known := variables(t, settingsOf(name)...)
		all := maps.Clone(shared)
		if own, ok := p["Environment"].(object); ok {
			maps.Copy(all, own["Variables"].(object))
		}
		for variable := range all {
			if _, ok := known[variable]; !ok && variable != "GOMEMLIMIT" {
				t.Errorf("%s: %s is no setting of functions", name, variable)
			}
		}
		for _, variable := range needed(known) {
			if all[variable] == nil {
				t.Errorf("%s: %s is missing", name, variable)
			}
		}
	}
}

// What the maintenance holds at a time fits into its memory, and a visit has the time for it.
func TestMaintenance_HasRoomAndTimeForAJob(t *testing.T) {
	p := functions(t)["maintenance"]
	known := variables(t, settingsOf("maintenance")...)
	read := func(text string) (b config.Bytes) {
		if err := b.UnmarshalText([]byte(text)); err != nil {
			t.Fatal(err)
		}
		return b
	}
	size := func(variable string) config.Bytes { return read(known[variable].Tag.Get("default")) }
	limit := read(fmt.Sprint(p["Environment"].(object)["Variables"].(object)["GOMEMLIMIT"]))
	if takes := 2*size("FIRNLOG_SETTLE_BYTES") + size("FIRNLOG_COMPACT_KEYS") + 2*size("FIRNLOG_CACHE"); takes > limit/2 {
		t.Errorf("a job takes %s of %s", takes, limit)
	}
	if memory := config.Bytes(p["MemorySize"].(int)) << 20; limit > memory*9/10 || limit < memory*8/10 {
		t.Errorf("GOMEMLIMIT %s of %s", limit, memory)
	}
	if seconds := config.Bytes(p["Timeout"].(int)); seconds*size("FIRNLOG_MAINTENANCE_RATE") < 16*size("FIRNLOG_SETTLE_BYTES") {
		t.Errorf("%d seconds are too few for merging sixteen settled objects", seconds)
	}
}

func TestFunctions_RunWhatMakePackageBuilds(t *testing.T) {
	global := load(t, "template.yaml", nil).get("Globals", "Function")
	for field, want := range map[string]any{"Runtime": "provided.al2023", "Handler": "bootstrap", "Timeout": 30, "MemorySize": 512} {
		if global[field] != want {
			t.Errorf("%s is %v, want %v", field, global[field], want)
		}
	}
	if got := list(global["Architectures"]); !slices.Equal(got, []string{"arm64"}) {
		t.Errorf("architectures %v", got)
	}
	makefile, err := os.ReadFile("../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"GOOS=linux GOARCH=arm64", "/bootstrap", "ZIP_BYTES_MAX := 15728640"} {
		if !strings.Contains(string(makefile), part) {
			t.Errorf("make package: no %q", part)
		}
	}
}

// The queue keeps a batch hidden for six times as long as the function may take, and the function's failures stay apart.
func TestQueue_OutlastsTheFunctionAndTakesPartialFailures(t *testing.T) {
	root := load(t, "template.yaml", nil)
	if got := root.get("Resources", "Data", "Properties", "Parameters")["QueueVisibilitySeconds"]; got != "180" {
		t.Errorf("visibility %v, want 6 times the time-out of 30 s", got)
	}
	for _, source := range []string{"FromQueue", "FromStream"} {
		if got := list(root.get("Resources", source, "Properties")["FunctionResponseTypes"]); !slices.Equal(got, []string{"ReportBatchItemFailures"}) {
			t.Errorf("%s: %v", source, got)
		}
	}
}

// The table of docs/SERVERLESS.md has each parameter that people set, with its default.
func TestDocs_ListTheParameters(t *testing.T) {
	text, err := os.ReadFile("../docs/SERVERLESS.md")
	if err != nil {
		t.Fatal(err)
	}
	for name, p := range load(t, "template.yaml", nil).get("Parameters") {
		p := p.(object)
		value := ""
		if d := fmt.Sprint(p["Default"]); d != "" {
			value = "`" + d + "`"
		}
		if row := "| `" + name + "` | " + value + " |"; p["Default"] != nil && !strings.Contains(string(text), row) {
			t.Errorf("docs/SERVERLESS.md lacks %s", row)
		}
	}
}
