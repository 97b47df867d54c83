package minio

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/minio/minio-go/v7"

	"github.com/firnlog/firnlog/objectstore"
	"github.com/firnlog/firnlog/objectstore/internal/s3api"
)

// Put sends one PUT with If-None-Match: *.
//
// The checksum is CRC32C of the whole, known beforehand and sent as a header, which
// the signature covers; the payload itself is not signed (minio-go would
// otherwise sign every 64 KiB of it over plain http). The SDK's own Checksum
// option is not used: it sends the checksum in a trailer, which versitygw answers
// with 400 BadDigest (measured). A header works on both; a flipped byte is refused by
// both. Core sends what it is given: one request, never multipart.
func (s *Store) Put(ctx context.Context, key string, body ...[]byte) error {
	if err := objectstore.CheckKey(key); err != nil {
		return fmt.Errorf("put: %w", err)
	}
	reader := s3api.NewBody(body)
	options := minio.PutObjectOptions{
		// minio-go passes metadata with this prefix on as it is.
		UserMetadata:         map[string]string{"x-amz-checksum-crc32c": reader.CRC32C()},
		DisableContentSha256: true,
		StorageClass:         objectstore.ClassOf(ctx),
		ServerSideEncryption: s.encryption,
	}
	options.SetMatchETagExcept("*")
	return s.do(ctx, objectstore.OpPut, key, func(ctx context.Context) error {
		_, err := s.core.PutObject(ctx, s.bucket, s.prefix+key, reader, reader.Size(), "", "", options)
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
	var options minio.GetObjectOptions
	if rangeHeader != "" {
		options.Set("Range", rangeHeader)
	}
	err = s.do(ctx, objectstore.OpGet, key, func(ctx context.Context) error {
		body, info, header, err := s.core.GetObject(ctx, s.bucket, s.prefix+key, options)
		if err != nil {
			return err
		}
		fetched = s3api.Fetched{Body: body, Length: info.Size, Partial: header.Get("Content-Range") != ""}
		return nil
	})
	return fetched, err
}

// Size implements s3api.Fetcher.
func (f fetcher) Size(ctx context.Context, key string) (size int64, err error) {
	s := f.store
	err = s.do(ctx, objectstore.OpGet, key, func(ctx context.Context) error {
		info, err := s.core.StatObject(ctx, s.bucket, s.prefix+key, minio.StatObjectOptions{})
		size = info.Size
		return err
	})
	return size, err
}

// List sends one ListObjectsV2, or more when the store's pages are short.
func (s *Store) List(ctx context.Context, prefix, after string, limit int) (page []objectstore.Info, err error) {
	if err := objectstore.CheckList(prefix, limit); err != nil {
		return nil, fmt.Errorf("list: %w", err)
	}
	options := minio.ListObjectsOptions{Prefix: s.prefix + prefix, Recursive: true, MaxKeys: limit}
	if after != "" {
		options.StartAfter = s.prefix + after
	}
	err = s.do(ctx, objectstore.OpList, prefix, func(ctx context.Context) error {
		for object := range s.core.ListObjectsIter(ctx, s.bucket, options) {
			if object.Err != nil {
				return object.Err
			}
			page = append(page, objectstore.Info{Key: strings.TrimPrefix(object.Key, s.prefix), Size: object.Size})
			if len(page) == limit {
				return nil
			}
		}
		return ctx.Err() // when it ends, so does the iteration, without a word
	})
	if err != nil {
		return nil, err
	}
	return page, nil
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
	objects := func(yield func(minio.ObjectInfo) bool) {
		for _, key := range keys {
			if !yield(minio.ObjectInfo{Key: s.prefix + key}) {
				return
			}
		}
	}
	return s.do(ctx, objectstore.OpDelete, keys[0], func(ctx context.Context) error {
		results, err := s.core.RemoveObjectsWithIter(ctx, s.bucket, objects, minio.RemoveObjectsOptions{})
		if err != nil {
			return err
		}
		for result := range results {
			if result.Err != nil && !alreadyGone(result.Err) {
				return result.Err
			}
		}
		return ctx.Err() // when it ends, so does the iteration, without a word
	})
}

// alreadyGone is an error of one key (an error of the whole request has a status).
func alreadyGone(err error) bool {
	response := minio.ToErrorResponse(err)
	return response.StatusCode == 0 && (response.Code == "NoSuchKey" || response.Code == "NoSuchVersion")
}
