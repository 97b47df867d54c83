package storeurl

import (
	"strings"
	"testing"
)

// FuzzParse: no text is taken that holds a password, and none is repeated.
func FuzzParse(f *testing.F) {
	f.Add("s3://bucket/prefix?create=true&endpoint=http://h:1")
	f.Add("minio://h:9000/b?tls=false")
	f.Add("file:///a")
	f.Add("s3://user:s3cr3t@b")
	f.Fuzz(func(t *testing.T, text string) {
		u, err := parse(text)
		before, _, ok := strings.Cut(text, ":s3cr3t@")
		if _, authority, slashes := strings.Cut(before, "://"); slashes {
			before = authority
		}
		if err != nil && ok && !strings.ContainsAny(before, "/?#") && strings.Contains(err.Error(), "s3cr3t") {
			t.Fatalf("the error tells the password: %v", err)
		}
		if err == nil && u.User != nil {
			t.Fatalf("%q is taken with credentials", text)
		}
	})
}
