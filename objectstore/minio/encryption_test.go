package minio_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/firnlog/firnlog/objectstore/minio"
)

func TestPut_AsksForEncryptionAtRest(t *testing.T) {
	for _, c := range []struct{ encryption, key string }{{"", ""}, {"AES256", ""}, {"aws:kms", ""}, {"aws:kms", "key-1"}} {
		var got http.Header
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			got = r.Header.Clone()
			w.Header().Set("ETag", `"x"`)
		}))
		store, err := minio.Open(minio.Options{Endpoint: strings.TrimPrefix(server.URL, "http://"), Bucket: "bucket", Encryption: c.encryption, KMSKey: c.key, Region: "us-east-1", Credentials: credentials.NewStaticV4("access", "secret", "")})
		if err != nil {
			t.Fatal(err)
		}
		if err := store.Put(t.Context(), "segments/x", []byte("body")); err != nil {
			t.Errorf("%v: %v", c, err)
		}
		server.Close()
		const header = "X-Amz-Server-Side-Encryption"
		if got.Get(header) != c.encryption || got.Get(header+"-Aws-Kms-Key-Id") != c.key {
			t.Errorf("%v: %q, key %q", c, got.Get(header), got.Get(header+"-Aws-Kms-Key-Id"))
		}
	}
}
