//go:build stack

package storeurl_test

import (
	"strings"
	"testing"

	"github.com/firnlog/firnlog/objectstore/storetest/servers"
	"github.com/firnlog/firnlog/objectstore/storeurl"
)

func TestOpen_CreatesTheBucketAndBothDriversSeeIt(t *testing.T) {
	server := servers.StartVersity(t)
	for _, variable := range server.Environ() {
		name, value, _ := strings.Cut(variable, "=")
		t.Setenv(name, value)
	}
	ctx := t.Context()
	missing, err := storeurl.Open(ctx, "s3://firnlog?endpoint=http://"+server.Endpoint)
	if err != nil {
		t.Fatal(err)
	}
	if err := missing.Put(ctx, "k"); err == nil || !strings.Contains(err.Error(), "create=true") {
		t.Errorf("put without a bucket: %v", err)
	}
	for range 2 {
		one, err := storeurl.Open(ctx, "minio://"+server.Endpoint+"/firnlog/p?tls=false&create=true")
		if err != nil {
			t.Fatal(err)
		}
		if err := one.Delete(ctx, "k"); err != nil {
			t.Fatal(err)
		}
		if err := one.Put(ctx, "k", []byte("x")); err != nil {
			t.Fatal(err)
		}
		other, err := storeurl.Open(ctx, "s3://firnlog/p?create=true&endpoint=http://"+server.Endpoint)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := other.Get(ctx, "k", 0, -1); err != nil || string(got) != "x" {
			t.Errorf("get: %q, %v", got, err)
		}
	}
}
