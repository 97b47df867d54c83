package apitest

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/firnlog/firnlog/objectstore"
	"github.com/firnlog/firnlog/objectstore/storetest/servers"
)

// OpenEncrypted makes a store in the bucket firnlog that asks for encryption at rest.
type OpenEncrypted func(t *testing.T, server *servers.Server, prefix, encryption, key string) objectstore.Store

// RunEncrypted looks, past the store, at what a server that can encrypt has done with what it was asked for.
func RunEncrypted(t *testing.T, open OpenEncrypted) {
	const keyName = "firnlog-key"
	server := servers.StartMinIOWithKey(t, keyName)
	looker, err := minio.New(server.Endpoint, &minio.Options{Creds: credentials.NewStaticV4(server.AccessKey, server.SecretKey, "")})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ prefix, encryption, key, wantKey string }{
		{"plain", "", "", ""}, {"sse-s3", "AES256", "", ""}, {"sse-kms", "aws:kms", keyName, keyName}, {"sse-kms-default", "aws:kms", "", keyName},
	} {
		store := open(t, server, c.prefix, c.encryption, c.key)
		body := []byte("readable on the disk of " + c.prefix + strings.Repeat(".", 300_000)) // more than MinIO keeps beside its metadata
		if err := store.Put(t.Context(), "segments/x", body[:10], body[10:]); err != nil {
			t.Errorf("%s: %v", c.prefix, err)
			continue
		}
		info, err := looker.StatObject(t.Context(), "firnlog", c.prefix+"/segments/x", minio.StatObjectOptions{})
		if err != nil {
			t.Fatal(err)
		}
		const header = "X-Amz-Server-Side-Encryption"
		if got, key := info.Metadata.Get(header), info.Metadata.Get(header+"-Aws-Kms-Key-Id"); got != c.encryption || !strings.HasSuffix(key, c.wantKey) || (key == "") != (c.wantKey == "") {
			t.Errorf("%s: HEAD says %q, key %q", c.prefix, got, key)
		}
		if found := onDisk(t, server.Dir, body[:32]); found != (c.encryption == "") {
			t.Errorf("%s: its bytes are on the disk: %v", c.prefix, found)
		}
		if got, err := store.Get(t.Context(), "segments/x", 5, 20); err != nil || !bytes.Equal(got, body[5:25]) {
			t.Errorf("%s: %q, %v", c.prefix, got, err)
		}
		wantClass(t, c.prefix+": put again", store.Put(t.Context(), "segments/x", body), objectstore.ErrExists)
	}
	refused(t, "a key that is not there", open(t, server, "wrong", "aws:kms", "no-such-key"), "kms-key in the store URL")
	keyless := servers.StartMinIO(t)
	refused(t, "SSE-S3 of a server without any key", open(t, keyless, "none", "AES256", ""), "KMS is not configured")
	refused(t, "SSE-KMS of a server without any key", open(t, keyless, "none", "aws:kms", keyName), "KMS is not configured")
}

// refused wants a Put to be refused for good, with a reason, and nothing to be stored, least of all unencrypted.
func refused(t *testing.T, what string, store objectstore.Store, why string) {
	t.Helper()
	err := store.Put(t.Context(), "segments/x", []byte("body"))
	if err == nil || !strings.Contains(err.Error(), why) || errors.Is(err, objectstore.ErrUnknown) || errors.Is(err, objectstore.ErrUnavailable) {
		t.Errorf("%s: %v", what, err)
	}
	_, err = store.Get(t.Context(), "segments/x", 0, -1)
	wantClass(t, what, err, objectstore.ErrNotFound)
}

// onDisk looks for bytes in all files below dir.
func onDisk(t *testing.T, dir string, want []byte) (found bool) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		found = found || bytes.Contains(content, want)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}
