package main

import (
	"flag"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"github.com/firnlog/firnlog/core/config"
	"github.com/firnlog/firnlog/core/topic"
)

var write = flag.Bool("write", false, "write docs/CONFIGURATION.md instead of comparing it")

const reference = "../../docs/CONFIGURATION.md"

// docs/CONFIGURATION.md is written from the structs that settings are read into: make configuration.
func TestConfiguration_TheReferenceIsWhatTheStructsSay(t *testing.T) {
	want := configuration(t)
	if *write {
		if err := os.WriteFile(reference, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	got, err := os.ReadFile(reference)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("docs/CONFIGURATION.md is out of date: make configuration (first difference: %s)", difference(string(got), want))
	}
}

func difference(got, want string) string {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range min(len(g), len(w)) {
		if g[i] != w[i] {
			return fmt.Sprintf("line %d has %q, the structs say %q", i+1, g[i], w[i])
		}
	}
	return fmt.Sprintf("%d lines, the structs make %d", len(g), len(w))
}

func TestConfiguration_EveryFlagSaysWhatItDoes(t *testing.T) {
	for _, leaf := range parser(t, &commands{}).Leaves(false) {
		for _, f := range leaf.Flags {
			if f.Help == "" {
				t.Errorf("%s --%s has no help", leaf.Path(), f.Name)
			}
		}
	}
}

func parser(t *testing.T, grammar any) *kong.Application {
	t.Helper()
	k, err := kong.New(grammar, kong.Name("firnlog"), kong.NoDefaultHelp())
	if err != nil {
		t.Fatal(err)
	}
	return k.Model
}

const configurationHead = `# Configuration

Every setting of every command and function, and every topic config. This page is written from the structs that they are read into
(` + "`make configuration`" + `); a test fails when it is out of date.

A flag's environment variable has the same meaning; the flag wins. Sizes: a number of bytes, or one with KiB, MiB, GiB (powers of 1024).
Durations: 250ms, 10s, 5m, 24h. Lists: values with commas between them, or the flag again. Switches (true or false) need no value.
`

// configuration is the whole page.
func configuration(t *testing.T) string {
	var b strings.Builder
	b.WriteString(configurationHead)
	for _, leaf := range parser(t, &commands{}).Leaves(false) {
		fmt.Fprintf(&b, "\n## `%s`\n\n%s\n", leaf.Path(), leaf.Help)
		if len(leaf.Positional) > 0 {
			b.WriteString("\n| argument | meaning |\n|---|---|\n")
			for _, p := range leaf.Positional {
				fmt.Fprintf(&b, "| `%s` | %s |\n", p.Summary(), cell(p.Help))
			}
		}
		flags(&b, leaf.Flags, true)
	}
	for _, f := range []struct {
		name, what string
		settings   any
	}{
		{"Functions", "All Lambda functions. They have no flags.", &config.Function{}},
		{"Function `maintenance`", "Beside those of all functions.", &config.Maintenance{}},
		{"Function `deliver`", "Beside those of all functions. The event of an invocation may set some of them instead (docs/SERVERLESS.md).", &config.Deliver{}},
	} {
		fmt.Fprintf(&b, "\n## %s\n\n%s\n", f.name, f.what)
		flags(&b, parser(t, f.settings).Flags, false)
	}
	b.WriteString("\n## Topic configs\n\nSet with CreateTopics and IncrementalAlterConfigs, by any of Kafka's tools. Those without effect are checked, kept and shown, so that tools that set them go on working.\n")
	b.WriteString("\n| config | default | has an effect | meaning |\n|---|---|---|---|\n")
	for _, c := range topic.Table() {
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", c.Name, code(c.Default), map[bool]string{true: "yes", false: "no"}[c.Used], cell(c.Doc))
	}
	b.WriteString("\n## Read by libraries\n\nCredentials of the object store: the usual AWS variables and files (`AWS_ACCESS_KEY_ID`, `AWS_PROFILE`, …). Traces: OpenTelemetry's `OTEL_…`\nvariables (docs/OPERATIONS.md).\n")
	return b.String()
}

func flags(b *strings.Builder, list []*kong.Flag, named bool) {
	if len(list) == 0 {
		return
	}
	if named {
		b.WriteString("\n| flag | environment | default | meaning |\n|---|---|---|---|\n")
	} else {
		b.WriteString("\n| environment | default | meaning |\n|---|---|---|\n")
	}
	for _, f := range list {
		env := ""
		if len(f.Envs) > 0 {
			env = "`" + strings.Join(f.Envs, "`, `") + "`"
		}
		row := fmt.Sprintf("%s | %s | %s |\n", env, standard(f), meaning(f))
		if named {
			row = fmt.Sprintf("`--%s` | %s", f.Name, row)
		}
		b.WriteString("| " + row)
	}
}

// standard is a flag's default.
func standard(f *kong.Flag) string {
	switch {
	case f.Required:
		return "must be given"
	case f.Default == "" && f.Target.Kind() == reflect.Bool:
		return "`false`"
	}
	return code(f.Default)
}

func meaning(f *kong.Flag) string {
	out := cell(f.Help)
	if values := strings.Trim(f.Enum, ","); values != "" {
		out += " One of: `" + strings.ReplaceAll(values, ",", "`, `") + "`."
	}
	if f.PlaceHolder != "" {
		out += " Value: `" + f.PlaceHolder + "`."
	}
	return out
}

func code(s string) string {
	if s == "" {
		return ""
	}
	return "`" + s + "`"
}

// cell keeps a text within its column.
func cell(s string) string { return strings.ReplaceAll(s, "|", `\|`) }
