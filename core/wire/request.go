package wire

import (
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kbin"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/firnlog/firnlog/core/tracing"
)

// caller is what a handler knows of who asks.
type caller struct {
	conn    *conn
	api     *api
	client  string // client.id; "" when null
	version int16
	frame   int // bytes of the request
	// release is run when the response has been written or given up.
	release func()
	used    used
}

// request is one request from its frame to its answer.
type request struct {
	caller
	correlation int32
	arrived     time.Time
	span        tracing.Span
	at          tracing.Link // where it stands; nil: it is not traced
	body        []byte
	msg         kmsg.Request

	outcome chan answer   // of phase two; nil for requests without
	done    chan struct{} // closed when answered or given up
	refund  func()        // of memory taken for the frame
	once    sync.Once
}

// answer is a response, or why there is none and the connection must go. Neither: acks=0.
type answer struct {
	response kmsg.Response
	err      error
}

// parseHeader reads
//
//	int16 key, int16 version, int32 correlation id, nullable string client id,
//	and in flexible versions tagged fields, which are skipped.
//
// An ApiVersions of a version that is not known is let through as version 0, to be answered with
// the versions that are (KIP-511): its header is not read further.
func (r *request) parseHeader(frame []byte, apis apiTable) error {
	b := kbin.Reader{Src: frame}
	key, version := b.Int16(), b.Int16()
	r.correlation = b.Int32()
	if !b.Ok() {
		return fmt.Errorf("%w: %d bytes are no header", errFrame, len(frame))
	}
	r.api, r.version = apis[key], version
	if r.api == nil {
		return fmt.Errorf("%w: key %d is not served", errFrame, key)
	}
	if version < r.api.min || version > r.api.max {
		if key != kmsg.ApiVersions.Int16() {
			return fmt.Errorf("%w: %s version %d is not served, only %d to %d", errFrame, r.api.name(), version, r.api.min, r.api.max)
		}
		return nil
	}
	if id := b.NullableString(); id != nil {
		r.client = *id
	}
	if r.newMessage().IsFlexible() {
		skipTags(&b)
	}
	if err := b.Complete(); err != nil {
		return fmt.Errorf("%w: header of %s version %d: %w", errFrame, r.api.name(), version, err)
	}
	r.body = b.Src
	return nil
}

// A Produce may name as many topics and partitions as it can have batches for, and some in any case; so its parsed form is
// about as large as its frame.
const (
	produceElementsMin = 1024
	produceElementsMax = 200_000
	batchBytesMin      = 61
)

func (r *request) newMessage() kmsg.Request {
	msg := r.api.key.Request()
	msg.SetVersion(r.version)
	return msg
}

// parseBody decodes the request. Byte fields point into the frame.
func (r *request) parseBody() error {
	if r.version < r.api.min || r.version > r.api.max { // ApiVersions only
		r.msg = kmsg.NewPtrApiVersionsRequest()
		return nil
	}
	r.msg = r.newMessage()
	elements, err := r.api.outline.check(r.body, r.version, r.msg.IsFlexible(), r.api.noTags...)
	if err != nil {
		return fmt.Errorf("%s version %d: %w", r.api.name(), r.version, err)
	}
	if limit := produceElementsMin + len(r.body)/batchBytesMin; r.api.key == kmsg.Produce && elements > min(limit, produceElementsMax) {
		return fmt.Errorf("%w: %d bytes of Produce name %d partitions", errFrame, len(r.body), elements)
	}
	if err := r.msg.ReadFrom(r.body); err != nil {
		return fmt.Errorf("%w: %s version %d: %w", errFrame, r.api.name(), r.version, err)
	}
	r.body = nil
	return nil
}

// giveBack returns the memory of the frame, once.
func (r *request) giveBack() { r.once.Do(r.refund) }

// drop ends a request, answered or not. It runs once.
func (r *request) drop() {
	if r.outcome == nil { // else phase two gives it back: the frame is in use until then
		r.giveBack()
	}
	if r.release != nil {
		r.release()
	}
	r.span.End()
	close(r.done)
}
