//go:build stack

package s3_test

import (
	"net/http"
	"testing"

	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/firnlog/firnlog/objectstore"
	"github.com/firnlog/firnlog/objectstore/internal/s3api/apitest"
	"github.com/firnlog/firnlog/objectstore/s3"
	"github.com/firnlog/firnlog/objectstore/storetest/servers"
)

func TestS3_OnRealMinIO(t *testing.T) {
	apitest.RunOnServer(t, servers.StartMinIO(t), openOn)
}

func TestS3_OnRealVersity(t *testing.T) {
	apitest.RunOnServer(t, servers.StartVersity(t), openOn)
}

func TestS3_EncryptsAtRestOnRealMinIO(t *testing.T) { apitest.RunEncrypted(t, openEncrypted) }

func openOn(t *testing.T, server *servers.Server, prefix string, transport http.RoundTripper) objectstore.Store {
	t.Helper()
	return openWith(t, server, s3.Options{Prefix: prefix, Transport: transport})
}

func openEncrypted(t *testing.T, server *servers.Server, prefix, encryption, key string) objectstore.Store {
	t.Helper()
	return openWith(t, server, s3.Options{Prefix: prefix, Encryption: encryption, KMSKey: key})
}

func openWith(t *testing.T, server *servers.Server, o s3.Options) objectstore.Store {
	t.Helper()
	o.Endpoint, o.Bucket = "http://"+server.Endpoint, "firnlog"
	o.Credentials = credentials.NewStaticCredentialsProvider(server.AccessKey, server.SecretKey, "")
	store, err := s3.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if err := store.CreateBucket(t.Context()); err != nil {
		t.Fatal(err)
	}
	return store
}
