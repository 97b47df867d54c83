package coordination

import "testing"

func TestParseGroup_GivesBackAnyName(t *testing.T) {
	k := NewKeys("c")
	for _, group := range []string{"g", "a/b", "a/offsets/t", "%2F", "é \x00\xff", ".", "a b"} {
		if got, topic, ok := k.ParseGroup(k.Group(group)); !ok || got != group || topic != "" {
			t.Errorf("%q: %q %q %v", group, got, topic, ok)
		}
		if got, topic, ok := k.ParseGroup(k.GroupOffset(group, "t.1")); !ok || got != group || topic != "t.1" {
			t.Errorf("%q: %q %q %v", group, got, topic, ok)
		}
	}
}

func TestParseGroup_RefusesWhatNoConstructorWrites(t *testing.T) {
	k := NewKeys("c")
	for _, key := range []string{k.Groups(), k.Groups() + "a b", k.Groups() + "a/", k.Groups() + "a/offsets/", k.Groups() + "a/pending/x", k.Groups() + "a%2fb", k.Log()} {
		if group, topic, ok := k.ParseGroup(key); ok {
			t.Errorf("%q parsed as %q %q", key, group, topic)
		}
	}
}
