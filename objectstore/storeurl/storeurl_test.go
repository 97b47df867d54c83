package storeurl

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestOpen_MemoryAndFile(t *testing.T) {
	for _, rawURL := range []string{"memory:", "file://" + t.TempDir() + "/new/data?create=true"} {
		store, err := Open(t.Context(), rawURL)
		if err != nil {
			t.Fatalf("%s: %v", rawURL, err)
		}
		if err := store.Put(t.Context(), "a/b", []byte("x")); err != nil {
			t.Errorf("%s: %v", rawURL, err)
		}
	}
}

func TestOpen_AModelTakesItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, err := Open(t.Context(), "memory:?model=s3-standard")
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		if err := store.Put(t.Context(), "a/b", []byte("x")); err != nil || time.Since(start) < 20*time.Millisecond {
			t.Errorf("put took %v, %v", time.Since(start), err)
		}
	})
}

func TestOpen_S3WithoutRegionSaysWhatToWrite(t *testing.T) {
	clearAWS(t)
	if _, err := Open(t.Context(), "s3://bucket"); err == nil || !strings.Contains(err.Error(), "?region=") {
		t.Errorf("without region: %v", err)
	}
	for _, rawURL := range []string{"s3://bucket/p?region=eu-west-1", "s3://bucket?endpoint=http://127.0.0.1:9000"} {
		if _, err := Open(t.Context(), rawURL); err != nil {
			t.Errorf("%s: %v", rawURL, err)
		}
	}
}

func TestOpen_MinIOWithoutCredentialsSaysWhatToSet(t *testing.T) {
	clearAWS(t)
	const rawURL = "minio://127.0.0.1:9000/bucket?tls=false"
	if _, err := Open(t.Context(), rawURL); err == nil || !strings.Contains(err.Error(), "AWS_ACCESS_KEY_ID") {
		t.Errorf("without credentials: %v", err)
	}
	t.Setenv("AWS_ACCESS_KEY_ID", "a")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "s")
	if _, err := Open(t.Context(), rawURL); err != nil {
		t.Errorf("with credentials: %v", err)
	}
}

func clearAWS(t *testing.T) {
	t.Helper()
	for _, name := range []string{
		"AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_ACCESS_KEY",
		"AWS_SECRET_ACCESS_KEY", "AWS_SECRET_KEY", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3",
	} {
		t.Setenv(name, "")
	}
	none := t.TempDir() + "/none"
	t.Setenv("AWS_CONFIG_FILE", none)
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", none)
}

func TestParse_GoodURLs(t *testing.T) {
	for rawURL, want := range map[string]string{
		"s3://b":                          "b  false false",
		"s3://b/":                         "b  false false",
		"s3://b/p/q/?region=x&create=1":   "b p/q true false",
		"s3://b?endpoint=https://h:1":     "b  false false",
		"minio://h:9000/b":                "b  false true",
		"minio://h/b/p?tls=true":          "b p false true",
		"minio://h:1/b/p/q?tls=false":     "b p/q false false",
		"minio://[::1]:9/b/?create=true":  "b  true true",
		"minio://h:1/b?create=false":      "b  false true",
		"file:///a/b":                     "  false false",
		"minio://h:1/b/p?region=eu&tls=0": "b p false false",
	} {
		u, err := parse(rawURL)
		if err != nil {
			t.Errorf("%s: %v", rawURL, err)
			continue
		}
		if got := fmt.Sprint(u.bucket, " ", u.prefix, " ", u.create, " ", u.tls); got != want {
			t.Errorf("%s: %q, want %q", rawURL, got, want)
		}
	}
}

func TestParse_BadURLsSayWhatToWrite(t *testing.T) {
	for rawURL, want := range map[string]string{
		"":                               "memory:",
		"/var/data":                      "file:///",
		"data":                           "file:///",
		"memory:x":                       "nothing after it",
		"memory:?create=true":            "not known here",
		"file:///x?model=s3":             "model=s3-standard",
		"file://data":                    "three slashes",
		"file:data":                      "three slashes",
		"file:///a?region=x":             `"region" is not known`,
		"gs://bucket":                    `"gs" is not known`,
		"s3:///prefix":                   "s3://bucket",
		"s3://h:9000/b":                  "endpoint=http://HOST:PORT",
		"s3://b?endpoint=127.0.0.1:9000": "endpoint=http://HOST:PORT",
		"s3://b?endpoint=h":              "endpoint=http://HOST:PORT",
		"s3://b?regoin=x":                `"regoin" is not known`,
		"s3://b?region=x&region=y":       "more than once",
		"s3://b?create=yes":              "create=true or create=false",
		"s3://b/a//c":                    "empty component",
		"s3://b/../c":                    "dot",
		"s3://b#x":                       "%23",
		"minio://h:9000":                 "minio://HOST:PORT/bucket",
		"minio:///b":                     "minio://HOST:PORT/bucket",
		"minio://:9000/b":                "no host",
		"minio://h:1/b?tls=no":           "tls=true or tls=false",
		"minio://h:1/b?endpoint=x":       `"endpoint" is not known`,
		"minio://h:port/b":               "minio://HOST:PORT",
	} {
		_, err := parse(rawURL)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want one with %q", rawURL, err, want)
		}
	}
}

func TestParse_PasswordsAreRefusedAndNotRepeated(t *testing.T) {
	for _, rawURL := range []string{
		"s3://key:hunter2@bucket/p", "minio://key:hunter2@h:1/b", "minio://key:hunter2@h:port/b",
		"s3://key:hunter2@bu cket/p", "file://key:hunter2@/a",
		"s3://b?endpoint=http://key:hunter2@h:1", "s3://b?endpoint=key:hunter2@h:1", "s3://b?secret=hunter2",
	} {
		_, err := parse(rawURL)
		if err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: error %v", strings.ReplaceAll(rawURL, "hunter2", "…"), err)
		}
	}
}

func TestRemote_IsWhatTakesTheTimeOfANetwork(t *testing.T) {
	for rawURL, want := range map[string]bool{
		"": false, "nonsense:": false, "memory:": false, "file:///data": false,
		"file:///data?model=s3-standard": true, "s3://bucket?region=eu-west-1": true, "minio://127.0.0.1:9000/bucket": true,
	} {
		if Remote(rawURL) != want {
			t.Errorf("%q: %t", rawURL, !want)
		}
	}
}
