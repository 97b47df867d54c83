package minio_test

import (
	"net/http"
	"testing"

	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/firnlog/firnlog/objectstore"
	"github.com/firnlog/firnlog/objectstore/internal/s3api/apitest"
	"github.com/firnlog/firnlog/objectstore/minio"
)

func TestMinIO_SpeaksToAScriptedServer(t *testing.T) {
	apitest.Run(t, func(t *testing.T, address string, transport http.RoundTripper) objectstore.Store {
		store, err := minio.Open(minio.Options{
			Endpoint: address, Bucket: apitest.Bucket, Prefix: apitest.Prefix, Transport: transport,
			Credentials: credentials.NewStaticV4("access", "secret", ""),
		})
		if err != nil {
			t.Fatal(err)
		}
		return store
	})
}
