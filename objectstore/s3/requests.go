package s3

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/firnlog/firnlog/objectstore"
	"github.com/firnlog/firnlog/objectstore/internal/s3api"
)

// Put sends one PUT with If-None-Match: *.
//
// The checksum is CRC32C of the whole, known beforehand and sent as a header, which
// the signature covers; the store refuses the body if it does not match. The payload itself is
// not signed. So there is one pass at memory speed over the body, no SHA-256 and
// no aws-chunked encoding, and it works over plain http, where the SDK refuses trailing
// checksums. Measured on MinIO and versitygw: a flipped byte is refused by both.
func (s *Store) Put(ctx context.Context, key string, body ...[]byte) error {
	if err := objectstore.CheckKey(key); err != nil {
		return fmt.Errorf("put: %w", err)
	}
	reader := s3api.NewBody(body)
	input := &s3.PutObjectInput{
		Bucket: &s.bucket, Key: aws.String(s.prefix + key),
		Body: reader, ContentLength: aws.Int64(reader.Size()),
		ChecksumCRC32C: aws.String(reader.CRC32C()),
		IfNoneMatch:    aws.String("*"),
		StorageClass:   types.StorageClass(objectstore.ClassOf(ctx)), // no header when empty

		ServerSideEncryption: s.encryption, SSEKMSKeyId: s.kmsKey,
	}
	return s.do(ctx, objectstore.OpPut, key, func(ctx context.Context) error {
		_, err := s.client.PutObject(ctx, input, s3.WithAPIOptions(v4.SwapComputePayloadSHA256ForUnsignedPayloadMiddleware))
		return err
	})
}

// Get sends one GET.
func (s *Store) Get(ctx context.Context, key string, offset, length int64) ([]byte, error) {
	if err := objectstore.CheckKey(key); err != nil {
		return nil, fmt.Errorf("get: %w", err)
	}
	return s3api.Get(ctx, fetcher{s}, key, offset, length)
}

type fetcher struct{ store *Store }

// Fetch implements s3api.Fetcher.
func (f fetcher) Fetch(ctx context.Context, key, rangeHeader string) (fetched s3api.Fetched, err error) {
	s := f.store
	input := &s3.GetObjectInput{Bucket: &s.bucket, Key: aws.String(s.prefix + key)}
	if rangeHeader != "" {
		input.Range = &rangeHeader
	}
	err = s.do(ctx, objectstore.OpGet, key, func(ctx context.Context) error {
		output, err := s.client.GetObject(ctx, input)
		if err != nil {
			return err
		}
		fetched = s3api.Fetched{Body: output.Body, Length: -1, Partial: output.ContentRange != nil}
		if output.ContentLength != nil {
			fetched.Length = *output.ContentLength
		}
		return nil
	})
	return fetched, err
}

// Size implements s3api.Fetcher.
func (f fetcher) Size(ctx context.Context, key string) (size int64, err error) {
	s := f.store
	input := &s3.HeadObjectInput{Bucket: &s.bucket, Key: aws.String(s.prefix + key)}
	err = s.do(ctx, objectstore.OpGet, key, func(ctx context.Context) error {
		output, err := s.client.HeadObject(ctx, input)
		if err == nil {
			size = aws.ToInt64(output.ContentLength)
		}
		return err
	})
	return size, err
}

// List sends one ListObjectsV2, or more when the store's pages are short.
func (s *Store) List(ctx context.Context, prefix, after string, limit int) ([]objectstore.Info, error) {
	if err := objectstore.CheckList(prefix, limit); err != nil {
		return nil, fmt.Errorf("list: %w", err)
	}
	input := &s3.ListObjectsV2Input{Bucket: &s.bucket, Prefix: aws.String(s.prefix + prefix)}
	if after != "" {
		input.StartAfter = aws.String(s.prefix + after)
	}
	var page []objectstore.Info
	for {
		input.MaxKeys = aws.Int32(int32(limit - len(page)))
		var output *s3.ListObjectsV2Output
		err := s.do(ctx, objectstore.OpList, prefix, func(ctx context.Context) (err error) {
			output, err = s.client.ListObjectsV2(ctx, input)
			return err
		})
		if err != nil {
			return nil, err
		}
		for _, object := range output.Contents {
			page = append(page, objectstore.Info{
				Key:  strings.TrimPrefix(aws.ToString(object.Key), s.prefix),
				Size: aws.ToInt64(object.Size),
			})
		}
		if len(page) >= limit || !aws.ToBool(output.IsTruncated) {
			return page[:min(len(page), limit)], nil
		}
		input.ContinuationToken = output.NextContinuationToken
	}
}

// Delete sends one DeleteObjects for every thousand keys.
func (s *Store) Delete(ctx context.Context, keys ...string) error {
	for _, key := range keys {
		if err := objectstore.CheckKey(key); err != nil {
			return fmt.Errorf("delete: %w", err)
		}
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("delete: %w", err)
	}
	for some := range slices.Chunk(keys, 1000) {
		if err := s.deleteSome(ctx, some); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) deleteSome(ctx context.Context, keys []string) error {
	objects := make([]types.ObjectIdentifier, len(keys))
	for i, key := range keys {
		objects[i].Key = aws.String(s.prefix + key)
	}
	input := &s3.DeleteObjectsInput{
		Bucket: &s.bucket,
		Delete: &types.Delete{Objects: objects, Quiet: aws.Bool(true)},
	}
	var output *s3.DeleteObjectsOutput
	err := s.do(ctx, objectstore.OpDelete, keys[0], func(ctx context.Context) (err error) {
		output, err = s.client.DeleteObjects(ctx, input)
		return err
	})
	if err != nil {
		return err
	}
	for _, failed := range output.Errors {
		code := aws.ToString(failed.Code)
		if code == "NoSuchKey" || code == "NoSuchVersion" {
			continue
		}
		return s3api.Classify(ctx, s3api.Answer{
			Op: objectstore.OpDelete, Name: strings.TrimPrefix(aws.ToString(failed.Key), s.prefix), Code: code, Sent: true,
			Err: fmt.Errorf("%s: %s", code, aws.ToString(failed.Message)),
		})
	}
	return nil
}
