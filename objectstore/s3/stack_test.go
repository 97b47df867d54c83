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

func openOn(t *testing.T, server *servers.Server, prefix string, transport http.RoundTripper) objectstore.Store {
	t.Helper()
	store, err := s3.Open(t.Context(), s3.Options{
		Endpoint: "http://" + server.Endpoint, Bucket: "firnlog", Prefix: prefix, Transport: transport,
		Credentials: credentials.NewStaticCredentialsProvider(server.AccessKey, server.SecretKey, ""),
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := store.CreateBucket(t.Context()); err != nil {
		t.Fatal(err)
	}
	return store
}
