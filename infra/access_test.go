package infra_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"github.com/firnlog/firnlog/core/config"
)

// asked are the functions that people reach over HTTP.
var asked = []string{"Producer", "Consumer", "Admin"}

// access is what a function reads of its variables, as it does at its start.
func access(t *testing.T, root *template, function string) *config.Access {
	t.Helper()
	for name, value := range root.get("Globals", "Function", "Environment", "Variables") {
		t.Setenv(name, fmt.Sprint(root.resolve(value)))
	}
	for name, value := range root.get("Resources", function, "Properties", "Environment", "Variables") {
		t.Setenv(name, fmt.Sprint(root.resolve(value)))
	}
	var settings config.Function
	parser, err := kong.New(&settings)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parser.Parse(nil); err != nil {
		t.Fatalf("%s: %v", function, err)
	}
	return &settings.Access
}

func TestFunctions_AskForWhatHttpAuthSays(t *testing.T) {
	tokens := object{"OAuthJwks": "file:///opt/jwks.json", "OAuthIssuer": "https://issuer.example", "OAuthAudience": "firnlog", "OAuthLayerArn": "arn:layer"}
	for _, way := range list(load(t, "template.yaml", nil).get("Parameters", "HttpAuth")["AllowedValues"]) {
		parameters := object{"HttpAuth": way, "HttpSuperUsers": "User:root"}
		if strings.Contains(way, "bearer") {
			for name, value := range tokens {
				parameters[name] = value
			}
		}
		root := load(t, "template.yaml", parameters)
		for _, function := range asked {
			t.Run(way+" "+function, func(t *testing.T) {
				a := access(t, root, function)
				ways, _ := a.HTTPWays()
				if err := a.Validate(); err != nil || strings.Join(ways, ",") != strings.ReplaceAll(way, "none", "") || a.HasACLs() != (way != "none") {
					t.Errorf("ways %v, ACLs %v: %v", ways, a.HasACLs(), err)
				}
				p := root.resolve(root.get("Resources", function, "Properties")).(object)
				if got, want := p["FunctionUrlConfig"].(object)["AuthType"], map[bool]string{true: "AWS_IAM", false: "NONE"}[way == "none"]; got != want {
					t.Errorf("the URL asks for %v, want %s", got, want)
				}
				if layered := p["Layers"] != nil; layered != strings.Contains(way, "bearer") {
					t.Errorf("layers %v", p["Layers"])
				}
				for _, permission := range []string{"Anybody" + function, "Anybody" + function + "ByUrl"} {
					if open := root.condition(object{"Condition": root.get("Resources", permission)["Condition"]}); open != (way != "none") {
						t.Errorf("%s: %v", permission, open)
					}
				}
			})
		}
	}
}

// A function that takes tokens does not start without what it checks them by, so the stack is refused before that.
func TestRules_TokensNeedKeysIssuerAndAudience(t *testing.T) {
	root := load(t, "template.yaml", nil)
	rule := root.get("Rules", "TokensHaveKeysIssuerAndAudience")
	contains := rule["RuleCondition"].(object)["Fn::Contains"].([]any)
	var with []string
	for _, way := range list(root.get("Parameters", "HttpAuth")["AllowedValues"]) {
		if strings.Contains(way, "bearer") {
			with = append(with, way)
		}
	}
	if got := list(contains[0]); !slices.Equal(got, with) || fmt.Sprint(contains[1]) != "map[Ref:HttpAuth]" {
		t.Errorf("the rule is for %v of %v, want %v of HttpAuth", got, contains[1], with)
	}
	wanted := map[string]bool{}
	for _, a := range rule["Assertions"].([]any) {
		for _, name := range []string{"OAuthJwks", "OAuthIssuer", "OAuthAudience"} {
			assert := a.(object)["Assert"]
			given := load(t, "template.yaml", object{name: "x"})
			if !root.condition(assert) && given.condition(assert) {
				wanted[name] = true
			}
		}
	}
	if len(wanted) != 3 {
		t.Errorf("the rule wants %v only", wanted)
	}
}
