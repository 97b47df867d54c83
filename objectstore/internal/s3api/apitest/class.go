package apitest

import (
	"errors"
	"net/http"
	"testing"

	"github.com/firnlog/firnlog/objectstore"
	"github.com/firnlog/firnlog/objectstore/storetest/servers"
)

// storageClass asks for classes that MinIO has, and for one that it has not. versitygw takes any name
// for the same storage (measured): a class that is refused must be refused as such, and stores nothing.
func storageClass(t *testing.T, server *servers.Server, prefix string, open Open) {
	asked := ""
	store := open(t, server, prefix, roundTrips(func(r *http.Request) (*http.Response, error) {
		if r.Method == http.MethodPut {
			asked = r.Header.Get("x-amz-storage-class")
		}
		return http.DefaultTransport.RoundTrip(r)
	}))
	for _, class := range []string{"", "STANDARD", "REDUCED_REDUNDANCY"} {
		if err := store.Put(objectstore.InClass(t.Context(), class), "in"+class, []byte("x")); err != nil || asked != class {
			t.Errorf("put in class %q: asked for %q, %v", class, asked, err)
		}
		if b, err := store.Get(t.Context(), "in"+class, 0, -1); err != nil || string(b) != "x" {
			t.Errorf("get from class %q: %q, %v", class, b, err)
		}
	}
	err := store.Put(objectstore.InClass(t.Context(), "GLACIER_IR"), "k", []byte("x"))
	_, gone := store.Get(t.Context(), "k", 0, -1)
	if refused := errors.Is(err, objectstore.ErrClass); refused != errors.Is(gone, objectstore.ErrNotFound) || !refused && err != nil {
		t.Errorf("put in a class that may not be there: %v, then get: %v", err, gone)
	}
	if refused := errors.Is(err, objectstore.ErrClass); refused != (server.Name == "minio") {
		t.Errorf("%s: GLACIER_IR is refused: %v, so a comment here is wrong", server.Name, refused)
	}
}
