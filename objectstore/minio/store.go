// Package minio keeps objects in MinIO and other S3-compatible stores, through
// minio-go.
//
// Owns: how a Store's requests are made with this SDK. Does not own: retries
// (objectstore.Retry; the SDK's are off, since a conditional Put repeated behind
// our back ends in a false ErrExists).
package minio

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/minio/minio-go/v7/pkg/encrypt"

	"github.com/firnlog/firnlog/objectstore"
	"github.com/firnlog/firnlog/objectstore/internal/s3api"
)

// Options say where objects lie.
type Options struct {
	// Endpoint is HOST:PORT, reached with TLS or without.
	Endpoint string
	TLS      bool
	Bucket   string
	// Prefix of all keys in the bucket, without slashes around it; may be empty.
	Prefix string
	// Region; empty: us-east-1, MinIO's own default.
	Region string
	// Credentials; nil: AWS's usual environment variables and file.
	Credentials *credentials.Credentials
	// Encryption at rest: AES256 (SSE-S3) or aws:kms (SSE-KMS), with KMSKey ("": the server's own); empty: the bucket's default.
	Encryption, KMSKey string
	// Transport carries the requests; nil: one of the store's own.
	Transport http.RoundTripper
}

// Store is an objectstore.Store in a bucket.
type Store struct {
	core   minio.Core
	bucket string
	prefix string // empty, or with a slash at its end
	// encryption is asked for with each object; nil: the bucket's default.
	encryption encrypt.ServerSide
	region     string
}

// Open sends no request.
func Open(o Options) (*Store, error) {
	transport := o.Transport
	if transport == nil {
		transport = s3api.NewTransport()
	}
	creds := o.Credentials
	if creds == nil {
		creds = credentials.NewChainCredentials([]credentials.Provider{
			&credentials.EnvAWS{}, &credentials.FileAWSCredentials{},
		})
		value, err := creds.GetWithContext(&credentials.CredContext{})
		if err != nil || value.AccessKeyID == "" {
			return nil, fmt.Errorf("open bucket %s at %s: no credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY", o.Bucket, o.Endpoint)
		}
	}
	// A region that is given saves the SDK asking for the bucket's.
	region := o.Region
	if region == "" {
		region = "us-east-1"
	}
	// MaxRetries 1 is none. (The SDK still sleeps for up to 200 ms before it gives
	// back an error that it would have repeated the request for.)
	core, err := minio.NewCore(o.Endpoint, &minio.Options{
		Creds: creds, Secure: o.TLS, Transport: transport, Region: region,
		BucketLookup: minio.BucketLookupPath, MaxRetries: 1,
	})
	if err != nil {
		return nil, fmt.Errorf("open bucket %s at %s: %w", o.Bucket, o.Endpoint, err)
	}
	s := &Store{core: *core, bucket: o.Bucket, region: region}
	switch o.Encryption {
	case "AES256":
		s.encryption = encrypt.NewSSE()
	case "aws:kms":
		if s.encryption, err = encrypt.NewSSEKMS(o.KMSKey, nil); err != nil {
			return nil, fmt.Errorf("open bucket %s at %s: encryption: %w", o.Bucket, o.Endpoint, err)
		}
	}
	if o.Prefix != "" {
		s.prefix = o.Prefix + "/"
	}
	return s, nil
}

// CreateBucket creates the bucket unless it is there.
func (s *Store) CreateBucket(ctx context.Context) error {
	if found, err := s.core.BucketExists(ctx, s.bucket); err == nil && found {
		return nil
	}
	return s.do(ctx, objectstore.OpPut, "bucket "+s.bucket, func(ctx context.Context) error {
		err := s.core.MakeBucket(ctx, s.bucket, minio.MakeBucketOptions{Region: s.region})
		if minio.ToErrorResponse(err).Code == "BucketAlreadyOwnedByYou" {
			return nil
		}
		return err
	})
}

// do sends one request and classifies its error.
func (s *Store) do(ctx context.Context, op objectstore.Op, name string, send func(context.Context) error) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%s %s: %w", op, name, err)
	}
	traced, sent := s3api.Trace(ctx)
	err := send(traced)
	if err == nil {
		return nil
	}
	answer := s3api.Answer{Op: op, Name: name, Sent: sent.Maybe(), Err: err}
	var response minio.ErrorResponse
	if errors.As(err, &response) {
		answer.Status, answer.Code = response.StatusCode, response.Code
	}
	return s3api.Classify(ctx, answer)
}
