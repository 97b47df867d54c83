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

func TestMinIO_EncryptsAtRestOnRealMinIO(t *testing.T) { apitest.RunEncrypted(t, openEncrypted) }

func openOn(t *testing.T, server *servers.Server, prefix string, transport http.RoundTripper) objectstore.Store {
	t.Helper()
	return openWith(t, server, minio.Options{Prefix: prefix, Transport: transport})
}

func openEncrypted(t *testing.T, server *servers.Server, prefix, encryption, key string) objectstore.Store {
	t.Helper()
	return openWith(t, server, minio.Options{Prefix: prefix, Encryption: encryption, KMSKey: key})
}

func openWith(t *testing.T, server *servers.Server, o minio.Options) objectstore.Store {
	t.Helper()
	o.Endpoint, o.Bucket = server.Endpoint, "firnlog"
	o.Credentials = credentials.NewStaticV4(server.AccessKey, server.SecretKey, "")
	store, err := minio.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := store.CreateBucket(t.Context()); err != nil {
		t.Fatal(err)
	}
	return store
}
