package s3api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/firnlog/firnlog/objectstore"
)

// Fetcher makes the two requests that a Get needs. Their errors are classified.
type Fetcher interface {
	// Fetch sends a GET, with a Range header unless it is empty.
	Fetch(ctx context.Context, key, rangeHeader string) (Fetched, error)
	// Size sends a HEAD.
	Size(ctx context.Context, key string) (int64, error)
}

// Fetched is the answer to a GET.
type Fetched struct {
	Body io.ReadCloser
	// Length is the Content-Length, -1 if there was none.
	Length int64
	// Partial: the server has heeded the range (206).
	Partial bool
}

// Get is one GET for every extent; only a range that cannot be satisfied costs a
// HEAD, since S3 says 416 to any range of an empty object, and a Store
// says nothing is there.
func Get(ctx context.Context, from Fetcher, key string, offset, length int64) ([]byte, error) {
	header := rangeHeader(offset, length)
	fetched, err := from.Fetch(ctx, key, header)
	if errors.Is(err, objectstore.ErrRange) {
		if size, failed := from.Size(ctx, key); failed != nil || size == 0 {
			return nil, failed
		}
	}
	if err != nil {
		return nil, err
	}
	data, err := readBody(fetched)
	if err != nil {
		return nil, Classify(ctx, Answer{Op: objectstore.OpGet, Name: key, Sent: true, Err: err})
	}
	if header != "" && !fetched.Partial {
		from, to, err := objectstore.Extent(int64(len(data)), offset, length)
		if err != nil {
			return nil, fmt.Errorf("get %s: %w", key, err)
		}
		return data[from:to], nil
	}
	if length >= 0 && length < int64(len(data)) {
		data = data[:length] // of a tail, or no byte, which a header cannot say
	}
	return data, nil
}

// rangeHeader asks for an extent or, where HTTP has no words for it, for a
// little more.
func rangeHeader(offset, length int64) string {
	switch {
	case offset == 0 && length < 0:
		return ""
	case offset < 0:
		return fmt.Sprintf("bytes=-%d", -max(offset, -math.MaxInt64))
	case length < 0 || length > math.MaxInt64-offset:
		return fmt.Sprintf("bytes=%d-", offset)
	}
	return fmt.Sprintf("bytes=%d-%d", offset, offset+max(length, 1)-1)
}

func readBody(fetched Fetched) ([]byte, error) {
	defer func() { _ = fetched.Body.Close() }() // what matters was read
	if fetched.Length < 0 {
		return io.ReadAll(fetched.Body)
	}
	data := make([]byte, fetched.Length)
	if _, err := io.ReadFull(fetched.Body, data); err != nil {
		return nil, fmt.Errorf("read %d bytes: %w", fetched.Length, err)
	}
	return data, nil
}
