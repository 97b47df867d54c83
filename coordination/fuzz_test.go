package coordination

import (
	"bytes"
	"testing"
)

// FuzzParseKeys: a key that is taken apart is the one that is made of its parts. Two spellings of one thing would be two things.
func FuzzParseKeys(f *testing.F) {
	k := NewKeys("c")
	f.Add(k.Transaction("a/b%"))
	f.Add(k.Group("g"))
	f.Add(k.GroupOffset("g/", "t"))
	f.Add(k.Instance(7))
	f.Fuzz(func(t *testing.T, key string) {
		if id, ok := k.ParseTransaction(key); ok && k.Transaction(id) != key {
			t.Fatalf("%q is transaction %q", key, id)
		}
		if group, topic, ok := k.ParseGroup(key); ok && (topic == "" && k.Group(group) != key || topic != "" && k.GroupOffset(group, topic) != key) {
			t.Fatalf("%q is group %q, topic %q", key, group, topic)
		}
		if n, ok := k.ParseInstance(key); ok && k.Instance(n) != key {
			t.Fatalf("%q is instance %d", key, n)
		}
		if m, err := ParseMark([]byte(key)); err == nil && !bytes.Equal(m.Bytes(), []byte(key)) {
			t.Fatalf("%q is mark %d", key, m)
		}
	})
}
