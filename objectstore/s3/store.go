// Package s3 keeps objects in S3 and what speaks its protocol, through
// aws-sdk-go-v2.
//
// Owns: how a Store's requests are made with this SDK. Does not own: retries
// (objectstore.Retry; the SDK's are off, since a conditional Put repeated behind
// our back ends in a false ErrExists), storage classes and encryption (the
// bucket's, by prefix).
package s3

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/logging"

	"github.com/firnlog/firnlog/objectstore"
	"github.com/firnlog/firnlog/objectstore/internal/s3api"
)

// Options say where objects lie.
type Options struct {
	Bucket string
	// Prefix of all keys in the bucket, without slashes around it; may be empty.
	Prefix string
	// Region; empty: AWS_REGION or the profile's, and us-east-1 where there is an Endpoint.
	Region string
	// Endpoint is the URL of a store that is not AWS; the bucket then goes into the path.
	Endpoint string
	// Credentials; nil: AWS's usual environment variables, files and roles.
	Credentials aws.CredentialsProvider
	// Encryption at rest: AES256 (SSE-S3) or aws:kms (SSE-KMS), with KMSKey ("": the account's own); empty: the bucket's default.
	Encryption, KMSKey string
	// Transport carries the requests; nil: one of the store's own.
	Transport http.RoundTripper
}

// Store is an objectstore.Store in an S3 bucket.
type Store struct {
	client *s3.Client
	bucket string
	prefix string // empty, or with a slash at its end
	region string

	encryption types.ServerSideEncryption
	kmsKey     *string
}

// Open reads the environment and the files of AWS; it sends no request.
func Open(ctx context.Context, o Options) (*Store, error) {
	cfg, err := loadConfig(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("open s3 bucket %s: %w", o.Bucket, err)
	}
	client := s3.NewFromConfig(cfg, func(s *s3.Options) {
		if o.Endpoint != "" {
			s.BaseEndpoint = aws.String(o.Endpoint)
		}
		s.UsePathStyle = s.BaseEndpoint != nil
		if o.Transport != nil {
			s.HTTPClient = &http.Client{Transport: o.Transport, CheckRedirect: noRedirect}
		}
		s.Retryer = aws.NopRetryer{}
		// Put brings its own checksum; elsewhere the default CRC32 in a trailer helps nobody.
		s.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenRequired
		// Some stores send the checksum of the whole object with a part of it,
		// which the SDK then finds wrong. What we read has checksums of its own.
		s.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenRequired
		// No 100-continue: it costs every large Put a round trip.
		s.ContinueHeaderThresholdBytes = -1
	})
	s := &Store{client: client, bucket: o.Bucket, region: cfg.Region, encryption: types.ServerSideEncryption(o.Encryption)}
	if o.KMSKey != "" {
		s.kmsKey = aws.String(o.KMSKey)
	}
	if o.Prefix != "" {
		s.prefix = o.Prefix + "/"
	}
	return s, nil
}

func loadConfig(ctx context.Context, o Options) (aws.Config, error) {
	settings := []func(*config.LoadOptions) error{
		// The SDK's own client: AWS_CA_BUNDLE is refused with any other one.
		config.WithHTTPClient(awshttp.NewBuildableClient().WithTransportOptions(s3api.Tune)),
		config.WithRetryer(func() aws.Retryer { return aws.NopRetryer{} }),
		config.WithLogger(logging.Nop{}),
	}
	if o.Region != "" {
		settings = append(settings, config.WithRegion(o.Region))
	}
	if o.Credentials != nil {
		settings = append(settings, config.WithCredentialsProvider(o.Credentials))
	}
	cfg, err := config.LoadDefaultConfig(ctx, settings...)
	if err != nil {
		return cfg, err
	}
	if cfg.Region == "" && o.Endpoint != "" {
		cfg.Region = "us-east-1"
	}
	if cfg.Region == "" {
		return cfg, errors.New("no region: add ?region=… to the store URL, or set AWS_REGION")
	}
	return cfg, nil
}

func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// CreateBucket creates the bucket unless it is there.
func (s *Store) CreateBucket(ctx context.Context) error {
	_, err := s.client.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: &s.bucket})
	if err == nil {
		return nil
	}
	input := &s3.CreateBucketInput{Bucket: &s.bucket}
	if s.region != "us-east-1" { // which S3 refuses to be told
		input.CreateBucketConfiguration = &types.CreateBucketConfiguration{
			LocationConstraint: types.BucketLocationConstraint(s.region),
		}
	}
	err = s.do(ctx, objectstore.OpPut, "bucket "+s.bucket, func(ctx context.Context) error {
		_, err := s.client.CreateBucket(ctx, input)
		var mine *types.BucketAlreadyOwnedByYou
		if errors.As(err, &mine) {
			return nil
		}
		return err
	})
	return err
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
	var response interface{ HTTPStatusCode() int }
	if errors.As(err, &response) {
		answer.Status = response.HTTPStatusCode()
	}
	var api smithy.APIError
	if errors.As(err, &api) && api.ErrorCode() != "UnknownError" {
		answer.Code = api.ErrorCode()
	}
	return s3api.Classify(ctx, answer)
}
