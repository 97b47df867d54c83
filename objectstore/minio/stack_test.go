//go:build stack

package minio_test

import (
	"net/http"
	"testing"

	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/firnlog/firnlog/objectstore"
	"github.com/firnlog/firnlog/objectstore/internal/s3api/apitest"
	"github.com/firnlog/firnlog/objectstore/minio"
	"github.com/firnlog/firnlog/objectstore/storetest/servers"
)

func TestMinIO_OnRealMinIO(t *testing.T) {
	apitest.RunOnServer(t, servers.StartMinIO(t), openOn)
}

func TestMinIO_OnRealVersity(t *testing.T) {
	apitest.RunOnServer(t, servers.StartVersity(t), openOn)
}

func openOn(t *testing.T, server *servers.Server, prefix string, transport http.RoundTripper) objectstore.Store {
	t.Helper()
	store, err := minio.Open(minio.Options{
		Endpoint: server.Endpoint, Bucket: "firnlog", Prefix: prefix, Transport: transport,
		Credentials: credentials.NewStaticV4(server.AccessKey, server.SecretKey, ""),
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := store.CreateBucket(t.Context()); err != nil {
		t.Fatal(err)
	}
	return store
}
