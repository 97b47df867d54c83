// Package storeurl opens the object store that a URL names:
//
//	memory:                                            in memory, gone at exit
//	file:///absolute/folder                            package disk
//	s3://bucket/prefix?region=…&endpoint=…             package s3 (AWS, or endpoint=http://HOST:PORT)
//	minio://HOST:PORT/bucket/prefix?tls=false&region=… package minio
//
// sse=AES256 or sse=aws:kms (with kms-key=ID) asks for encryption at rest with each object; default: what the bucket says.
// model=s3-standard or model=s3-express makes requests take as long as they would there (package modelled), for measurements.
// create=true creates the bucket if it is missing. Credentials come from the
// usual AWS environment variables and files, never from the URL.
//
// Owns: the syntax. Does not own: decorators; the caller adds them.
package storeurl

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/firnlog/firnlog/objectstore"
	"github.com/firnlog/firnlog/objectstore/disk"
	"github.com/firnlog/firnlog/objectstore/memory"
	"github.com/firnlog/firnlog/objectstore/minio"
	"github.com/firnlog/firnlog/objectstore/modelled"
	"github.com/firnlog/firnlog/objectstore/s3"
)

const forms = "write memory:, file:///folder, s3://bucket/prefix?region=…&endpoint=… or minio://HOST:PORT/bucket/prefix?tls=false"

// Open opens the store. Only create=true makes it send requests; ErrUnavailable then says
// that the store cannot be reached now. A store on disk is also an io.Closer.
func Open(ctx context.Context, rawURL string) (objectstore.Store, error) {
	u, err := parse(rawURL)
	if err != nil {
		return nil, err
	}
	store, err := open(ctx, u)
	if err != nil || u.model == nil {
		return store, err
	}
	return modelled.New(store, *u.model, objectstore.SystemClock(), rand.Uint64()), nil //nolint:gosec // no secret
}

func open(ctx context.Context, u *storeURL) (objectstore.Store, error) {
	switch u.Scheme {
	case "memory":
		return memory.New(), nil
	case "file":
		return disk.Open(u.Path)
	case "s3":
		return openS3(ctx, u)
	default:
		return openMinIO(ctx, u)
	}
}

func openS3(ctx context.Context, u *storeURL) (objectstore.Store, error) {
	store, err := s3.Open(ctx, s3.Options{
		Bucket: u.bucket, Prefix: u.prefix,
		Region: u.query.Get("region"), Endpoint: u.query.Get("endpoint"),
		Encryption: u.query.Get("sse"), KMSKey: u.query.Get("kms-key"),
	})
	if err != nil {
		return nil, err
	}
	if !u.create {
		return store, nil
	}
	if err := store.CreateBucket(ctx); err != nil {
		return nil, err
	}
	return store, nil
}

func openMinIO(ctx context.Context, u *storeURL) (objectstore.Store, error) {
	store, err := minio.Open(minio.Options{
		Endpoint: u.Host, TLS: u.tls, Bucket: u.bucket, Prefix: u.prefix, Region: u.query.Get("region"),
		Encryption: u.query.Get("sse"), KMSKey: u.query.Get("kms-key"),
	})
	if err != nil {
		return nil, err
	}
	if !u.create {
		return store, nil
	}
	if err := store.CreateBucket(ctx); err != nil {
		return nil, err
	}
	return store, nil
}

// Remote says that requests to a store go over a network, or take as long as if they did.
func Remote(rawURL string) bool {
	u, err := parse(rawURL)
	return err == nil && (u.model != nil || u.Scheme != "file" && u.Scheme != "memory")
}

type storeURL struct {
	*url.URL
	query          url.Values
	bucket, prefix string
	create, tls    bool
	model          *modelled.Model
}

// parse checks all that can be checked without a store. Its errors do not repeat a URL that
// may hold a password.
func parse(rawURL string) (*storeURL, error) {
	parsed, err := url.Parse(rawURL)
	if err != nil {
		var inner *url.Error
		if errors.As(err, &inner) {
			err = inner.Err
		}
		return nil, fmt.Errorf("store URL: %w; %s", err, forms)
	}
	if parsed.User != nil {
		return nil, errors.New("store URL: credentials do not belong into it: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
	}
	u := &storeURL{URL: parsed}
	shown := *parsed
	shown.RawQuery = ""
	if strings.Contains(shown.Opaque, "@") { // user:password@host, without a scheme
		shown.Opaque = "…"
	}
	if u.query, err = url.ParseQuery(parsed.RawQuery); err != nil {
		return nil, fmt.Errorf("store URL %q: query: %w", &shown, err)
	}
	if err := u.check(); err != nil {
		return nil, fmt.Errorf("store URL %q: %w", &shown, err)
	}
	return u, nil
}

func (u *storeURL) check() error {
	if u.Fragment != "" {
		return errors.New("write %23 for # in a path")
	}
	switch u.Scheme {
	case "memory":
		if u.Opaque != "" || u.Host != "" || u.Path != "" {
			return errors.New("write memory: with nothing after it")
		}
		return u.checkQuery()
	case "file":
		return u.checkFile()
	case "s3":
		return u.checkS3()
	case "minio":
		return u.checkMinIO()
	case "":
		return errors.New("no scheme: " + forms)
	}
	return fmt.Errorf("scheme %q is not known: %s", u.Scheme, forms)
}

func (u *storeURL) checkFile() error {
	if u.Host != "" || u.Opaque != "" || !path.IsAbs(u.Path) {
		return errors.New("write file:///folder, with three slashes and an absolute path")
	}
	return u.checkQuery("create") // a folder is always created
}

func (u *storeURL) checkS3() error {
	if u.Host == "" || u.Port() != "" {
		return errors.New("write s3://bucket/prefix?region=…, for other stores with &endpoint=http://HOST:PORT")
	}
	if err := u.checkQuery("region", "endpoint", "create", "sse", "kms-key"); err != nil {
		return err
	}
	if raw := u.query.Get("endpoint"); raw != "" {
		endpoint, err := url.Parse(raw)
		if err != nil || endpoint.Host == "" || endpoint.Scheme != "http" && endpoint.Scheme != "https" {
			return errors.New("write endpoint=http://HOST:PORT or endpoint=https://HOST:PORT")
		}
		if endpoint.User != nil {
			return errors.New("credentials do not belong into the endpoint: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
		}
	}
	u.bucket = u.Host
	return u.setPrefix(u.Path)
}

func (u *storeURL) checkMinIO() error {
	bucket, prefix, _ := strings.Cut(strings.TrimPrefix(u.Path, "/"), "/")
	if u.Host == "" || bucket == "" {
		return errors.New("write minio://HOST:PORT/bucket/prefix, with ?tls=false for plain http")
	}
	if host, _, err := net.SplitHostPort(u.Host); err == nil && host == "" {
		return errors.New("no host: write minio://HOST:PORT/bucket/prefix")
	}
	if err := u.checkQuery("tls", "region", "create", "sse", "kms-key"); err != nil {
		return err
	}
	var err error
	if u.tls, err = u.flag("tls", true); err != nil {
		return err
	}
	u.bucket = bucket
	return u.setPrefix(prefix)
}

func (u *storeURL) setPrefix(prefix string) error {
	u.prefix = strings.Trim(prefix, "/")
	if u.prefix == "" {
		return nil
	}
	if err := objectstore.CheckKey(u.prefix); err != nil {
		return fmt.Errorf("prefix: %w", err)
	}
	return nil
}

// checkQuery refuses parameters that are misspelt or given twice, and reads create.
func (u *storeURL) checkQuery(allowed ...string) error {
	for _, name := range slices.Sorted(maps.Keys(u.query)) {
		if !slices.Contains(allowed, name) && name != "model" {
			return fmt.Errorf("parameter %q is not known here: allowed are %q", name, append(allowed, "model"))
		}
		if len(u.query[name]) > 1 {
			return fmt.Errorf("parameter %q is given more than once", name)
		}
	}
	if sse := u.query.Get("sse"); u.query.Has("sse") && sse != "AES256" && sse != "aws:kms" || u.query.Has("kms-key") && sse != "aws:kms" {
		return errors.New("encryption: write sse=AES256, or sse=aws:kms with kms-key=ID if it is not the default key")
	}
	if err := u.setModel(); err != nil {
		return err
	}
	var err error
	u.create, err = u.flag("create", false)
	return err
}

func (u *storeURL) setModel() error {
	if !u.query.Has("model") {
		return nil
	}
	m, ok := modelled.Find(u.query.Get("model"))
	if !ok {
		return fmt.Errorf("model %q is not known: write model=s3-standard or model=s3-express, or leave it out", u.query.Get("model"))
	}
	u.model = &m
	return nil
}

func (u *storeURL) flag(name string, otherwise bool) (bool, error) {
	if !u.query.Has(name) {
		return otherwise, nil
	}
	value, err := strconv.ParseBool(u.query.Get(name))
	if err != nil {
		return false, fmt.Errorf("parameter %s is %q: write %s=true or %s=false", name, u.query.Get(name), name, name)
	}
	return value, nil
}
