package s3_test

import (
	"net/http"
	"testing"

	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/firnlog/firnlog/objectstore"
	"github.com/firnlog/firnlog/objectstore/internal/s3api/apitest"
	"github.com/firnlog/firnlog/objectstore/s3"
)

func TestS3_SpeaksToAScriptedServer(t *testing.T) {
	apitest.Run(t, func(t *testing.T, address string, transport http.RoundTripper) objectstore.Store {
		store, err := s3.Open(t.Context(), s3.Options{
			Endpoint: "http://" + address, Bucket: apitest.Bucket, Prefix: apitest.Prefix, Transport: transport,
			Credentials: credentials.NewStaticCredentialsProvider("access", "secret", ""),
		})
		if err != nil {
			t.Fatal(err)
		}
		return store
	})
}
