package s3api

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync/atomic"

	"github.com/firnlog/firnlog/objectstore"
)

// Answer is a failed request.
type Answer struct {
	Op   objectstore.Op
	Name string // key, prefix or bucket
	// Status of the HTTP response; 0: none came.
	Status int
	// Code is S3's, from the body; empty if there was none.
	Code string
	// Sent: the request may have reached the server.
	Sent bool
	Err  error
}

// Sent says whether a request got a connection: as long as it has none, nothing
// can have happened. (It may get one and still not be written; to say "sent" then is
// safe, it only costs the retry of a Put a read.)
type Sent struct{ got atomic.Bool }

// Trace gives a context for one request, and what becomes of it.
func Trace(ctx context.Context) (context.Context, *Sent) {
	sent := &Sent{}
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(httptrace.GotConnInfo) { sent.got.Store(true) },
	}), sent
}

// Maybe says that the request may have been sent.
func (s *Sent) Maybe() bool { return s.got.Load() }

// Classify gives an error its class. The table:
//
//	answer                                      Put            Delete        Get, List
//	412                                         ErrExists      plain         plain
//	409 ConditionalRequestConflict and alike    ErrUnavailable ErrUnavailable ErrUnavailable
//	404 without code, NoSuchKey                 plain          plain         ErrNotFound
//	404 NoSuchBucket, KMS and what follows      plain, with what to do about it
//	501 NotImplemented                          plain          plain         plain
//	400 InvalidStorageClass                     ErrClass       plain         plain
//	416                                         plain          plain         ErrRange
//	408, 429, 503, SlowDown, throttling         ErrUnavailable ErrUnavailable ErrUnavailable
//	400 as the body did not arrive whole        ErrUnavailable ErrUnavailable ErrUnavailable
//	SlowDownWrite (MinIO: quorum lost)          ErrUnknown     ErrUnknown    ErrUnavailable
//	other 5xx                                   ErrUnknown     ErrUnknown    ErrUnavailable
//	none, and no connection was had             ErrUnavailable (network), or plain
//	none, after it was sent                     ErrUnknown     ErrUnknown    ErrUnavailable
//	ctx ended, before it was sent, or a read    ctx's error
//	else                                        plain
//
// An error has one class only, so that it does not matter which is asked for first.
func Classify(ctx context.Context, a Answer) error {
	class := a.class()
	what := fmt.Sprintf("%s %s", a.Op, a.Name)
	if a.Code == "NoSuchBucket" {
		return fmt.Errorf("%s: no such bucket (create it, or add create=true to the store URL): %w", what, a.Err)
	}
	if strings.HasPrefix(strings.ToLower(a.Code), "kms") { // MinIO's kms:KeyNotFound, AWS's KMS.NotFoundException and alike
		what += ": the key for encryption at rest cannot be used (kms-key in the store URL; the bucket's default if there is none): " + a.Code
	}
	if ended := ctx.Err(); ended != nil && a.Status == 0 && !errors.Is(class, objectstore.ErrUnknown) {
		return fmt.Errorf("%s: %w: %s", what, ended, a.Err.Error())
	}
	if class == nil {
		return fmt.Errorf("%s: %w", what, a.Err)
	}
	return fmt.Errorf("%s: %w: %w", what, class, a.Err)
}

func (a Answer) class() error {
	switch a.Code {
	case "":
	case "PreconditionFailed":
		return a.only(objectstore.OpPut, objectstore.ErrExists)
	case "NoSuchKey", "NotFound": // the second is what a HEAD without a body comes to
		return a.only(objectstore.OpGet, objectstore.ErrNotFound)
	case "InvalidRange":
		return a.only(objectstore.OpGet, objectstore.ErrRange)
	case "NoSuchBucket", "NotImplemented": // the second, a 501: MinIO that shall encrypt and has no key
		return nil
	case "InvalidStorageClass":
		return a.only(objectstore.OpPut, objectstore.ErrClass)
	case "ConditionalRequestConflict", "OperationAborted",
		// versitygw: it could not make the object's folder, which happens when a Delete next
		// to it removes the empty one meanwhile (measured). Nothing was stored.
		"ExistingObjectIsDirectory",
		"SlowDown", "SlowDownRead", "Throttling", "ThrottlingException", "RequestThrottled",
		"RequestLimitExceeded", "TooManyRequests", "ServerBusy", "ServiceUnavailable",
		// The body did not arrive as it was sent; nothing was stored. The first is
		// AWS's and versitygw's name for a wrong checksum, the second MinIO's.
		"BadDigest", "XAmzContentChecksumMismatch", "IncompleteBody", "RequestTimeout":
		return objectstore.ErrUnavailable
	case "SlowDownWrite", "InternalError":
		return a.lost()
	}
	return a.statusClass()
}

func (a Answer) statusClass() error {
	switch {
	case a.Status == 0 && a.Code != "": // one key of many that Delete was asked for
		return nil
	case a.Status == 0:
		return a.silence()
	case a.Status == http.StatusPreconditionFailed:
		return a.only(objectstore.OpPut, objectstore.ErrExists)
	case a.Status == http.StatusNotFound && a.Code == "":
		return a.only(objectstore.OpGet, objectstore.ErrNotFound)
	case a.Status == http.StatusRequestedRangeNotSatisfiable:
		return a.only(objectstore.OpGet, objectstore.ErrRange)
	case a.Status == http.StatusRequestTimeout, a.Status == http.StatusTooManyRequests, a.Status == http.StatusServiceUnavailable:
		return objectstore.ErrUnavailable
	case a.Status >= 500:
		return a.lost()
	}
	return nil
}

func (a Answer) only(op objectstore.Op, class error) error {
	if a.Op == op {
		return class
	}
	return nil
}

// lost is the class of a request that may have been carried out.
func (a Answer) lost() error {
	if a.Op.Changes() {
		return objectstore.ErrUnknown
	}
	return objectstore.ErrUnavailable
}

func (a Answer) silence() error {
	if a.Sent {
		return a.lost()
	}
	var op *net.OpError
	var dns *net.DNSError
	var timeout net.Error
	if errors.As(a.Err, &op) || errors.As(a.Err, &dns) || errors.As(a.Err, &timeout) && timeout.Timeout() {
		return objectstore.ErrUnavailable
	}
	return nil // a bad certificate, no credentials, a bug: trying again does not help
}
