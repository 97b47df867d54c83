// Package fetch is the read path: from an offset to stored bytes.
package fetch

import (
	"context"
	"errors"
	"time"

	"github.com/firnlog/firnlog/core/record"
)

// Partition asks for one partition from an offset.
type Partition struct {
	record.TopicPartition
	Offset   record.Offset
	BytesMax int
}

// Request is a fetch of several partitions.
type Request struct {
	Partitions    []Partition
	BytesMin      int
	BytesMax      int
	WaitMax       time.Duration
	ReadCommitted bool
	// Reserve is asked for memory before results hold so many bytes of it, and grants as much or less; a first
	// batch is given in any case. A later call takes the place of an earlier one. nil grants everything.
	Reserve func(bytes int) (granted int)
	// InPieces: who asks passes the batches on as they are, and takes Pieces for Batches.
	InPieces bool
}

// Aborted is an aborted transaction that overlaps what was read.
type Aborted struct {
	Producer record.ProducerID
	First    record.Offset
}

// Result is what one partition answered.
type Result struct {
	record.TopicPartition
	Err           error
	HighWatermark record.Offset // also set with ErrOutOfRange
	LastStable    record.Offset
	LogStart      record.Offset
	Aborted       []Aborted
	Batches       []byte // whole batches, offsets stamped; the caller owns them
	// Pieces follow each other and are the same as Batches would be. They are memory of the cache: nobody may change them.
	Pieces [][]byte
	// Held is how many bytes of memory Batches or Pieces keep from being freed, beside what those of results before this one do.
	Held int

	end record.Offset // after the last batch
}

// Size is that of all batches.
func (r *Result) Size() (size int) {
	for _, p := range r.Pieces {
		size += len(p)
	}
	return size + len(r.Batches)
}

// Errors of a Result and of the offset look-ups.
var (
	// ErrOutOfRange: below the log start or above the high watermark, seen behind a barrier.
	ErrOutOfRange = errors.New("offset out of range")
	// ErrUnknownPartition: no such topic or partition, seen behind a barrier.
	ErrUnknownPartition = errors.New("unknown topic or partition")
	// ErrStorage: the bytes could not be read though the log refers to them.
	ErrStorage = errors.New("stored bytes cannot be read")
	// ErrUnavailable: etcd or the object store cannot be reached; try again.
	ErrUnavailable = errors.New("not available now")
)

// Found is a record found by time.
type Found struct {
	Offset    record.Offset // -1: none
	Timestamp int64         // ms; -1: none
}

// Bounds are the ends of a partition behind a barrier.
type Bounds struct{ LogStart, HighWatermark, LastStable record.Offset }

// Reader is what front ends use; *Fetcher is it.
type Reader interface {
	// Fetch waits until BytesMin can be read, a partition has an error, or WaitMax is over.
	Fetch(ctx context.Context, r Request) []Result
	// Bounds gives the ends of a partition (read after acknowledge).
	Bounds(ctx context.Context, tp record.TopicPartition) (Bounds, error)
	// AtTime finds the first record with a timestamp of at least ms.
	AtTime(ctx context.Context, tp record.TopicPartition, ms int64, readCommitted bool) (Found, error)
	// MaxTimestamp finds the first record with the greatest timestamp.
	MaxTimestamp(ctx context.Context, tp record.TopicPartition) (Found, error)
}
