package infra_test

import (
	"fmt"
	"strings"
	"testing"
)

// A statement of a policy, of what the templates use. Conditions: Null and Bool.
type statement struct {
	effect     string
	actions    []string
	resources  []string
	conditions object
}

// statements reads a policy document; what is not known here fails the test, since it would be evaluated wrong.
func statements(t *testing.T, document any) (out []statement) {
	t.Helper()
	for _, s := range document.(object)["Statement"].([]any) {
		s := s.(object)
		st := statement{effect: s["Effect"].(string), actions: list(s["Action"]), resources: list(s["Resource"])}
		for name, of := range s {
			switch name {
			case "Sid", "Effect", "Principal", "Action", "Resource":
			case "Condition":
				st.conditions = of.(object)
			default:
				t.Fatalf("statement with %s: not known here", name)
			}
		}
		out = append(out, st)
	}
	return out
}

func list(v any) (out []string) {
	if all, ok := v.([]any); ok {
		for _, one := range all {
			out = append(out, fmt.Sprint(one))
		}
		return out
	}
	return []string{fmt.Sprint(v)}
}

// verdict is what a policy says of a request.
type verdict string

const (
	allowed  verdict = "allowed"
	denied   verdict = "denied"
	silent   verdict = "not allowed"
	wildcard         = "*"
)

// judge evaluates: a deny wins, then an allow; keys are the request's condition keys.
func judge(t *testing.T, policy []statement, action, resource string, keys map[string]string) verdict {
	t.Helper()
	out := silent
	for _, s := range policy {
		if !anyMatches(s.actions, action) || !anyMatches(s.resources, resource) || !holds(t, s.conditions, keys) {
			continue
		}
		if s.effect == "Deny" {
			return denied
		}
		out = allowed
	}
	return out
}

func anyMatches(patterns []string, s string) bool {
	for _, p := range patterns {
		if matches(p, s) {
			return true
		}
	}
	return false
}

// matches knows * at any place, for any characters.
func matches(pattern, s string) bool {
	parts := strings.Split(pattern, wildcard)
	if len(parts) == 1 {
		return pattern == s
	}
	if !strings.HasPrefix(s, parts[0]) {
		return false
	}
	s = s[len(parts[0]):]
	for _, p := range parts[1 : len(parts)-1] {
		i := strings.Index(s, p)
		if i < 0 {
			return false
		}
		s = s[i+len(p):]
	}
	return strings.HasSuffix(s, parts[len(parts)-1])
}

func holds(t *testing.T, conditions object, keys map[string]string) bool {
	t.Helper()
	for operator, of := range conditions {
		for key, want := range of.(object) {
			value, there := keys[key]
			switch operator {
			case "Null":
				if there == (want == "true") {
					return false
				}
			case "Bool":
				if !there || value != want {
					return false
				}
			default:
				t.Fatalf("condition %s: not known here", operator)
			}
		}
	}
	return true
}

func TestJudge_DenyWinsAndSilenceIsNo(t *testing.T) {
	policy := []statement{
		{effect: "Allow", actions: []string{"s3:Get*"}, resources: []string{"arn:b/a/*", "arn:b/*/z"}},
		{effect: "Deny", actions: []string{"*"}, resources: []string{"arn:b/a/secret"}, conditions: object{"Null": object{"k": "true"}, "Bool": object{"yes": "true"}}},
	}
	for _, c := range []struct {
		action, resource string
		keys             map[string]string
		want             verdict
	}{
		{"s3:GetObject", "arn:b/a/x", nil, allowed},
		{"s3:GetObject", "arn:b/c/z", nil, allowed},
		{"s3:GetObject", "arn:b/c/y", nil, silent},
		{"s3:PutObject", "arn:b/a/x", nil, silent},
		{"s3:GetObject", "arn:b/a/secret", nil, allowed},
		{"s3:GetObject", "arn:b/a/secret", map[string]string{"yes": "true"}, denied},
		{"s3:GetObject", "arn:b/a/secret", map[string]string{"yes": "true", "k": "1"}, allowed},
		{"s3:GetObject", "arn:b/a/secret", map[string]string{"yes": "false"}, allowed},
	} {
		if got := judge(t, policy, c.action, c.resource, c.keys); got != c.want {
			t.Errorf("%s %s %v: %s, want %s", c.action, c.resource, c.keys, got, c.want)
		}
	}
}

// The bucket's own policy, against the requests that objectstore/s3 sends.
func bucketTakesCreationAlone(t *testing.T, r *recording) {
	t.Helper()
	data := load(t, "data.yaml", object{"Versions": 0, "WithQueue": "true", "QueueVisibilitySeconds": 180, "Bucket.Arn": "arn:aws:s3:::b"})
	policy := statements(t, data.resolve(data.get("Resources", "BucketPolicy", "Properties", "PolicyDocument")))
	const create, none, tls = "s3:ObjectCreationOperation", "s3:if-none-match", "aws:SecureTransport"
	for _, prefix := range r.prefixes("put") {
		object := "arn:aws:s3:::b/" + prefix + "01ARZ3NDEKTSV4RRFFQ69G5FAV"
		for name, c := range map[string]struct {
			action string
			keys   map[string]string
			want   verdict
		}{
			"as firnlog puts":         {"s3:PutObject", map[string]string{create: "true", none: "*", tls: "true"}, silent}, // the role allows
			"put that may replace":    {"s3:PutObject", map[string]string{create: "true", tls: "true"}, denied},
			"part of an upload":       {"s3:PutObject", map[string]string{create: "false", tls: "true"}, silent},
			"read":                    {"s3:GetObject", map[string]string{tls: "true"}, silent},
			"read without encryption": {"s3:GetObject", map[string]string{tls: "false"}, denied},
		} {
			if got := judge(t, policy, c.action, object, c.keys); got != c.want {
				t.Errorf("%s of %s: %s, want %s", name, prefix, got, c.want)
			}
		}
	}
}
