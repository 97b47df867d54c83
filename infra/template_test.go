// Package infra_test ties the templates to the code: settings, functions, flags, routes, and what each role may do.
package infra_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// object is a mapping of a template.
type object = map[string]any

// template is one file with intrinsic functions as their long forms ({"Fn::Sub": …}).
type template struct {
	t          *testing.T
	parameters map[string]any // values; resources that are referred to count as their names
	object
}

// load reads a template; parameters that are not given have their defaults.
func load(t *testing.T, name string, parameters object) *template {
	t.Helper()
	documents := documents(t, filepath.Join("sam", name))
	out := &template{t: t, parameters: object{"AWS::Partition": "aws", "AWS::Region": "eu-central-1", "AWS::AccountId": "111122223333", "AWS::StackName": "firnlog"}, object: documents[0]}
	for parameter, p := range out.get("Parameters") {
		if value, ok := p.(object)["Default"]; ok {
			out.parameters[parameter] = value
		}
	}
	for parameter, value := range parameters {
		out.parameters[parameter] = value
	}
	return out
}

// documents reads all documents of a file.
func documents(t *testing.T, path string) (out []object) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	decoder := yaml.NewDecoder(strings.NewReader(string(text)))
	for {
		var node yaml.Node
		if err := decoder.Decode(&node); err != nil {
			break
		}
		if document, ok := plain(t, &node).(object); ok {
			out = append(out, document)
		}
	}
	if len(out) == 0 {
		t.Fatalf("%s: nothing in it", path)
	}
	return out
}

// plain turns a node into maps, lists and values, with !Sub x as {"Fn::Sub": x}.
func plain(t *testing.T, n *yaml.Node) any {
	t.Helper()
	value := untagged(t, n)
	if !strings.HasPrefix(n.Tag, "!") || strings.HasPrefix(n.Tag, "!!") {
		return value
	}
	switch name := n.Tag[1:]; name {
	case "Ref", "Condition":
		return object{name: value}
	case "GetAtt":
		return object{"Fn::GetAtt": fmt.Sprint(value)}
	default:
		return object{"Fn::" + name: value}
	}
}

func untagged(t *testing.T, n *yaml.Node) any {
	t.Helper()
	switch n.Kind {
	case yaml.DocumentNode:
		return plain(t, n.Content[0])
	case yaml.AliasNode:
		return plain(t, n.Alias)
	case yaml.MappingNode:
		out := object{}
		for i := 0; i < len(n.Content); i += 2 {
			out[n.Content[i].Value] = plain(t, n.Content[i+1])
		}
		return out
	case yaml.SequenceNode:
		out := []any{}
		for _, c := range n.Content {
			out = append(out, plain(t, c))
		}
		return out
	}
	var value any
	scalar := *n
	if strings.HasPrefix(n.Tag, "!") && !strings.HasPrefix(n.Tag, "!!") {
		scalar.Tag = "!!str"
	}
	if err := scalar.Decode(&value); err != nil {
		t.Fatal(err)
	}
	return value
}

// get follows a path of names.
func (t *template) get(path ...string) object {
	t.t.Helper()
	at := t.object
	for _, name := range path {
		next, ok := at[name].(object)
		if !ok {
			t.t.Fatalf("template has no %s", strings.Join(path, "."))
		}
		at = next
	}
	return at
}

// noValue leaves out what it stands for.
type noValue struct{}

func isNoValue(v any) bool { _, is := v.(noValue); return is }

var reference = regexp.MustCompile(`\$\{([^!}]+)\}`)

// resolve evaluates intrinsic functions, as far as the templates use them here.
func (t *template) resolve(value any) any {
	t.t.Helper()
	switch value := value.(type) {
	case []any:
		out := []any{}
		for _, v := range value {
			if r := t.resolve(v); !isNoValue(r) {
				out = append(out, r)
			}
		}
		return out
	case object:
		if len(value) == 1 {
			for name, of := range value {
				if r, ok := t.intrinsic(name, of); ok {
					return r
				}
			}
		}
		out := object{}
		for name, v := range value {
			if r := t.resolve(v); !isNoValue(r) {
				out[name] = r
			}
		}
		return out
	}
	return value
}

func (t *template) intrinsic(name string, of any) (any, bool) {
	t.t.Helper()
	switch name {
	case "Ref", "Fn::GetAtt":
		if of == "AWS::NoValue" {
			return noValue{}, true
		}
		return t.named(fmt.Sprint(of)), true
	case "Fn::Sub":
		text, ok := of.(string)
		if !ok {
			t.t.Fatalf("Sub of %v: not known here", of)
		}
		return reference.ReplaceAllStringFunc(text, func(r string) string { return fmt.Sprint(t.named(r[2 : len(r)-1])) }), true
	case "Fn::If":
		list := of.([]any)
		if t.condition(object{"Condition": list[0]}) {
			return t.resolve(list[1]), true
		}
		return t.resolve(list[2]), true
	case "Fn::Base64":
		return t.resolve(of), true
	}
	return nil, false
}

// named is a parameter's value, or a name for what a resource will be.
func (t *template) named(name string) any {
	if v, ok := t.parameters[name]; ok {
		return v
	}
	return "<" + name + ">"
}

// condition evaluates one.
func (t *template) condition(value any) bool {
	t.t.Helper()
	for name, of := range value.(object) {
		switch name {
		case "Condition":
			return t.condition(t.get("Conditions")[fmt.Sprint(of)])
		case "Fn::Not":
			return !t.condition(of.([]any)[0])
		case "Fn::Or":
			for _, c := range of.([]any) {
				if t.condition(c) {
					return true
				}
			}
			return false
		case "Fn::Equals":
			pair := of.([]any)
			return fmt.Sprint(t.resolve(pair[0])) == fmt.Sprint(t.resolve(pair[1]))
		}
	}
	t.t.Fatalf("condition %v: not known here", value)
	return false
}

// each calls fn for every mapping below value.
func each(value any, fn func(object)) {
	switch value := value.(type) {
	case []any:
		for _, v := range value {
			each(v, fn)
		}
	case object:
		fn(value)
		for _, v := range value {
			each(v, fn)
		}
	}
}
