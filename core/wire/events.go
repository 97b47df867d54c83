package wire

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"reflect"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/firnlog/firnlog/core/quota"
	"github.com/firnlog/firnlog/core/tracing"
)

// Events are told of what clients do, as it happens: they must not block. Each may be nil.
type Events struct {
	// Answered is told of each request that was answered.
	Answered func(Answered)
	// Connected is told of each connection that was accepted, or refused since there are too many.
	Connected func(accepted bool)
	// Failed is told why a connection ended, unless it is usual; of few different reasons.
	Failed func(reason string)
	// Throttled is told of each client that has to wait for its quota, by the kind of quota.
	Throttled func(kind string, wait time.Duration)
	// Trace takes a span of each request.
	Trace tracing.Trace
}

// Answered is a request and how it went.
type Answered struct {
	API               string
	Code              int16 // the first error in the answer
	Took              time.Duration
	BytesIn, BytesOut int
}

func (e *Events) connected(accepted bool) {
	if e.Connected != nil {
		e.Connected(accepted)
	}
}

func (e *Events) failed(err error) {
	if e.Failed != nil {
		e.Failed(reasonOf(err))
	}
}

func (e *Events) throttled(kind quota.Kind, wait time.Duration) {
	if e.Throttled != nil {
		e.Throttled(kind.String(), wait)
	}
}

// reasonOf puts the end of a connection into a class.
func reasonOf(err error) string {
	var handshake *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	switch {
	case errors.Is(err, errTooManyUnknown), errors.Is(err, errCrowd), errors.Is(err, errTooManyConnects):
		return "too_many"
	case errors.Is(err, errAuthFailed), errors.Is(err, errNotAuthenticated), errors.Is(err, errAuthExpired), errors.Is(err, errForInstances):
		return "authentication"
	case errors.As(err, &handshake), errors.As(err, &record), strings.HasPrefix(err.Error(), "TLS: "):
		return "tls"
	case errors.Is(err, errFrame):
		return "frame"
	case errors.Is(err, errPanic):
		return "panic"
	case errors.Is(err, errSilent), errors.Is(err, os.ErrDeadlineExceeded):
		return "timeout"
	}
	return "network"
}

// answered tells of a request that was answered, and logs it when it failed by no fault of its client. Lines are bounded by the logger.
func (c *conn) answered(r *request, resp kmsg.Response, size int) {
	code := firstError(resp)
	if c.s.events.Answered != nil {
		c.s.events.Answered(Answered{r.api.name(), code, time.Since(r.arrived), r.frame, size})
	}
	if r.span.On() {
		r.span.Number("messaging.kafka.error_code", int64(code))
		r.span.Number("response.bytes", int64(size))
		if code != 0 {
			r.span.Fail(kerr.ErrorForCode(code))
		}
	}
	if isOurs(code) {
		c.s.log.Warn("request failed", "api", r.api.name(), "version", r.version, "error", kerr.ErrorForCode(code).(*kerr.Error).Message, //nolint:errorlint // it gives nothing else
			"connection", c.id, "correlation", r.correlation, "client", r.client, "address", c.nc.RemoteAddr().String(), "took", time.Since(r.arrived))
	}
}

// isOurs says that a client did nothing wrong: somebody should look.
func isOurs(code int16) bool {
	return code == kerr.UnknownServerError.Code || code == kerr.KafkaStorageError.Code
}

// firstError gives the first error code in a response; 0: there is none.
func firstError(resp kmsg.Response) int16 {
	switch r := resp.(type) {
	case nil:
		return 0
	case *kmsg.ProduceResponse:
		for i := range r.Topics {
			for k := range r.Topics[i].Partitions {
				if code := r.Topics[i].Partitions[k].ErrorCode; code != 0 {
					return code
				}
			}
		}
		return 0
	case *fetchResponse:
		return firstError(r.FetchResponse)
	case *kmsg.FetchResponse:
		for i := range r.Topics {
			for k := range r.Topics[i].Partitions {
				if code := r.Topics[i].Partitions[k].ErrorCode; code != 0 {
					return code
				}
			}
		}
		return r.ErrorCode
	case *kmsg.MetadataResponse: // its partitions may be many, and have none of their own
		for i := range r.Topics {
			if code := r.Topics[i].ErrorCode; code != 0 {
				return code
			}
		}
		return 0
	}
	return codeIn(reflect.ValueOf(resp).Elem())
}

// codeIn looks through a struct of kmsg, which all have the same names.
func codeIn(v reflect.Value) int16 {
	if f := v.FieldByName("ErrorCode"); f.IsValid() && f.Kind() == reflect.Int16 && f.Int() != 0 {
		return int16(f.Int())
	}
	for i := range v.NumField() {
		list := v.Field(i)
		if list.Kind() != reflect.Slice || list.Type().Elem().Kind() != reflect.Struct {
			continue
		}
		for k := range list.Len() {
			if code := codeIn(list.Index(k)); code != 0 {
				return code
			}
		}
	}
	return 0
}

// traced begins the span of a request. It ends when the request is answered, or given up.
func (c *conn) traced(r *request) {
	if !c.s.events.Trace.On() {
		return
	}
	ctx, span := c.s.events.Trace.Start(c.requestContext(), tracing.Server, "kafka "+r.api.name())
	r.span, r.at = span, c.s.events.Trace.Here(ctx)
	host, _, _ := net.SplitHostPort(c.nc.RemoteAddr().String())
	span.Text("messaging.system", "kafka")
	span.Text("messaging.client.id", r.client)
	span.Text("client.address", host)
	span.Text("firnlog.request", fmt.Sprintf("%d-%d", c.id, r.correlation))
	span.Number("messaging.kafka.api_version", int64(r.version))
	span.Number("request.bytes", int64(r.frame))
}
