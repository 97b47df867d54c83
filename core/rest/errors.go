package rest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/firnlog/firnlog/core/consume"
	"github.com/firnlog/firnlog/core/fetch"
	"github.com/firnlog/firnlog/core/fork"
	"github.com/firnlog/firnlog/core/group"
	"github.com/firnlog/firnlog/core/ingest"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/topic"
)

// failure is an error with its place in the conventions: an HTTP status, a code (which often tells more), a message.
type failure struct {
	status, code int
	message      string
}

func (f *failure) Error() string { return f.message }

func failf(status, code int, format string, args ...any) *failure {
	return &failure{status, code, fmt.Sprintf(format, args...)}
}

// Codes of the conventions that say more than the status.
const (
	codeNoTopic      = 40401
	codeNoPartition  = 40402
	codeNoInstance   = 40403
	codeNoGroup      = 40405
	codeFormat       = 40601
	codeSubscribed   = 40901
	codeExists       = 40902
	codeState        = 40903
	codeConversion   = 42203
	codeBadConsumer  = 42204
	codePayload      = 42206
	codeKafka        = 50002
	codeRetriable    = 50003
	codeBadRequestV3 = 40002
	codeNoTopicV3    = 40403
)

// Errors that the front end finds itself.
var (
	errNotNow      = errors.New("the cluster's state cannot be read now: try again")
	errNoTopic     = errors.New("no such topic")
	errNoPartition = errors.New("no such partition")
	errNoMember    = errors.New("the group has no such consumer")
	errNoCluster   = errors.New("no such cluster")
	errNoConfig    = errors.New("no such config")
)

// row of the table from errors to answers; v3 codes where they differ.
type row struct {
	err          error
	status, code int
	codeV3       int // 0: code
}

// codes: the first that matches counts.
//
//   - What may be tried again is 503, so that load balancers and clients do so, with the code 50003 that the conventions have for it.
//   - An unknown outcome is said to be one: only with Firnlog-Producer a client may simply send again.
func codes() []row {
	const retry, conflict, unprocessable = http.StatusServiceUnavailable, http.StatusConflict, http.StatusUnprocessableEntity
	return []row{
		{errNoTopic, 404, codeNoTopic, codeNoTopicV3},
		{errNoPartition, 404, codeNoPartition, 404},
		{errNoMember, 404, 404, 0},
		{errNoCluster, 404, 404, 0},
		{errNoConfig, 404, 404, 0},
		{errNotNow, retry, codeRetriable, 0},

		{ingest.ErrUnknownPartition, 404, codeNoPartition, 404},
		{ingest.ErrFenced, conflict, codeKafka, 0},
		{ingest.ErrOutOfOrder, conflict, codeKafka, 0},
		{ingest.ErrUnknownProducer, conflict, codeKafka, 0},
		{ingest.ErrNoKey, unprocessable, codePayload, 0},
		{ingest.ErrTimestamp, unprocessable, codePayload, 0},
		{ingest.ErrNotAppended, retry, codeRetriable, 0},
		{ingest.ErrUnknown, retry, codeRetriable, 0},
		{record.ErrTooLarge, 413, codePayload, 413},
		{record.ErrInvalid, unprocessable, codePayload, 0},

		{fetch.ErrOutOfRange, http.StatusRequestedRangeNotSatisfiable, 416, 0},
		{fetch.ErrUnknownPartition, 404, codeNoPartition, 404},
		{fetch.ErrStorage, 500, codeKafka, 0},
		{fetch.ErrUnavailable, retry, codeRetriable, 0},

		{topic.ErrExists, 400, codeBadRequestV3, 0},
		{topic.ErrUnknownTopic, 404, codeNoTopic, codeNoTopicV3},
		{topic.ErrInvalidName, 400, codeBadRequestV3, 0},
		{topic.ErrInvalidPartitions, 400, codeBadRequestV3, 0},
		{topic.ErrInvalidReplication, 400, codeBadRequestV3, 0},
		{topic.ErrInvalidConfig, 400, codeBadRequestV3, 0},
		{topic.ErrUnavailable, retry, codeRetriable, 0},
		{topic.ErrUnknown, retry, codeRetriable, 0},

		{fork.ErrTooLarge, unprocessable, 422, 0},
		{fork.ErrStorage, 500, codeKafka, 0},

		{consume.ErrNoOffset, conflict, codeState, 0},
		{group.ErrSeatTaken, conflict, codeExists, 0},
		{group.ErrSeatGone, 404, codeNoInstance, 0},
		{group.ErrSeatChanged, conflict, codeState, 0},
		{group.ErrUnknownGroup, 404, codeNoGroup, 404},
		{group.ErrInvalidGroup, unprocessable, 422, 0},
		{group.ErrInvalidRegex, unprocessable, 422, 0},
		{group.ErrMetadataTooLarge, unprocessable, 422, 0},
		{group.ErrUnknownTopic, 404, codeNoPartition, 0},
		{group.ErrGroupFull, conflict, codeState, 0},
		{group.ErrInconsistentProtocol, conflict, codeState, 0},
		{group.ErrUnknownMember, conflict, codeState, 0},
		{group.ErrFencedEpoch, conflict, codeState, 0},
		{group.ErrStaleEpoch, conflict, codeState, 0},
		{group.ErrIllegalGeneration, conflict, codeState, 0},
		{group.ErrRebalanceInProgress, conflict, codeState, 0},
		{group.ErrNotCoordinator, retry, codeRetriable, 0},
		{group.ErrUnavailable, retry, codeRetriable, 0},

		{context.DeadlineExceeded, retry, codeRetriable, 0},
		{context.Canceled, retry, codeRetriable, 0},
	}
}

// failureOf is what a client is told of an error; known is false for one that is not in the table.
func failureOf(err error, speaks dialect) (f *failure, known bool) {
	if errors.As(err, &f) {
		return f, true
	}
	if late, is := errors.AsType[*errThrottled](err); is {
		return failf(http.StatusTooManyRequests, http.StatusTooManyRequests, "%s", late), true
	}
	for _, r := range slices.Concat(codes(), aclCodes()) {
		if errors.Is(err, r.err) {
			code := r.code
			if (speaks == v3 || speaks == v3Stream) && r.codeV3 != 0 {
				code = r.codeV3
			}
			return failf(r.status, code, "%s", err), true
		}
	}
	return failf(500, 500, "internal error"), false
}
