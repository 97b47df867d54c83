package wire

import (
	"context"
	"errors"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/firnlog/firnlog/core/fetch"
	"github.com/firnlog/firnlog/core/ingest"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/topic"
)

// Errors that the front end finds itself.
var (
	errNotNow           = errors.New("the cluster's state cannot be read now")
	errUnknownPartition = errors.New("unknown topic or partition")
	errUnknownID        = errors.New("unknown topic id")
	errAcks             = errors.New("acks must be -1, 0 or 1")
	errOneBatch         = errors.New("a partition must come with exactly one record batch")
	errOldProduce       = errors.New("produce requests below version 3 carry message formats that are not supported; use a client of Kafka 0.11 or later")
	errOldForZstd       = errors.New("zstd needs a newer version of this request")
	errTooManyReplicas  = errors.New("replication factor is above the number of live brokers")
	errRequest          = errors.New("invalid request")
	errNoProducerID     = errors.New("no producer id can be had now")
	errBelowZero        = errors.New("offset below -1")
	errAssignment       = errors.New("invalid replica assignment")
	errKeepsRecords     = errors.New("the topic is compacted, and nothing else deletes its records")
	errTwice            = errors.New("named more than once in the request")
	errNoElection       = errors.New("leader election not needed: leaders are hints, any broker takes any request for any partition")
	errNoReassignment   = errors.New("no reassignment is in progress: partitions do not move here")
	errNotRegistered    = errors.New("broker id is not registered")
	errFeature          = errors.New("invalid feature update")
	errResourceType     = errors.New("configs of this resource type cannot be listed")
)

// codes is the one table from errors to Kafka's codes; the first that matches counts.
//
// Where Kafka has no code that fits, it is the one that makes clients do the right thing:
//   - not appended: NOT_ENOUGH_REPLICAS, which Java, librdkafka and franz-go retry and count
//     as not written;
//   - unknown outcome: REQUEST_TIMED_OUT, which they retry, and idempotence recognises it;
//   - unknown producer: UNKNOWN_PRODUCER_ID, after which a producer draws a new epoch and goes on,
//     where OUT_OF_ORDER_SEQUENCE_NUMBER is fatal to librdkafka;
//   - an old duplicate: DUPLICATE_SEQUENCE_NUMBER, which counts as success without an offset;
//   - no producer id now: COORDINATOR_LOAD_IN_PROGRESS, after which a producer asks again;
//   - topic changes that did not happen: NOT_CONTROLLER, after which an admin client tries again.
func codes() []struct {
	err  error
	code *kerr.Error
} {
	return []struct {
		err  error
		code *kerr.Error
	}{
		{ingest.ErrUnknownPartition, kerr.UnknownTopicOrPartition},
		{ingest.ErrFenced, kerr.InvalidProducerEpoch},
		{ingest.ErrOutOfOrder, kerr.OutOfOrderSequenceNumber},
		{ingest.ErrUnknownProducer, kerr.UnknownProducerID},
		{ingest.ErrOldDuplicate, kerr.DuplicateSequenceNumber},
		{ingest.ErrNoKey, kerr.InvalidRecord},
		{ingest.ErrTimestamp, kerr.InvalidTimestamp},
		{ingest.ErrNoTransaction, kerr.TransactionalIDAuthorizationFailed},
		{ingest.ErrTxnState, kerr.InvalidTxnState},
		{ingest.ErrNotAppended, kerr.NotEnoughReplicas},
		{ingest.ErrUnknown, kerr.RequestTimedOut},

		{record.ErrTooLarge, kerr.MessageTooLarge},
		{record.ErrCorrupt, kerr.CorruptMessage},
		{record.ErrTimestamp, kerr.InvalidTimestamp},
		{record.ErrOldFormat, kerr.UnsupportedForMessageFormat},
		{record.ErrUnknownCodec, kerr.UnsupportedCompressionType},
		{record.ErrInvalid, kerr.InvalidRecord},

		{fetch.ErrOutOfRange, kerr.OffsetOutOfRange},
		{fetch.ErrUnknownPartition, kerr.UnknownTopicOrPartition},
		{fetch.ErrStorage, kerr.KafkaStorageError},
		{fetch.ErrUnavailable, kerr.ReplicaNotAvailable},

		{topic.ErrExists, kerr.TopicAlreadyExists},
		{topic.ErrUnknownTopic, kerr.UnknownTopicOrPartition},
		{topic.ErrUnknownID, kerr.UnknownTopicID},
		{topic.ErrInvalidName, kerr.InvalidTopicException},
		{topic.ErrInvalidPartitions, kerr.InvalidPartitions},
		{topic.ErrInvalidReplication, kerr.InvalidReplicationFactor},
		{topic.ErrInvalidConfig, kerr.InvalidConfig},
		{topic.ErrUnavailable, kerr.NotController},
		{topic.ErrUnknown, kerr.RequestTimedOut},

		{errNotNow, kerr.LeaderNotAvailable},
		{errSteered, kerr.NotLeaderForPartition},
		{errNoProducerID, kerr.CoordinatorLoadInProgress},
		{errUnknownPartition, kerr.UnknownTopicOrPartition},
		{errUnknownID, kerr.UnknownTopicID},
		{errAcks, kerr.InvalidRequiredAcks},
		{errOneBatch, kerr.InvalidRecord},
		{errOldProduce, kerr.UnsupportedForMessageFormat},
		{errOldForZstd, kerr.UnsupportedCompressionType},
		{errTooManyReplicas, kerr.InvalidReplicationFactor},
		{errRequest, kerr.InvalidRequest},
		{errBelowZero, kerr.OffsetOutOfRange},
		{errAssignment, kerr.InvalidReplicaAssignment},
		{errTwice, kerr.InvalidRequest},
		{errKeepsRecords, kerr.PolicyViolation},
		{errNoElection, kerr.ElectionNotNeeded},
		{errNoReassignment, kerr.NoReassignmentInProgress},
		{errNotRegistered, kerr.BrokerIDNotRegistered},
		{errFeature, kerr.InvalidUpdateVersion},
		{errResourceType, kerr.UnsupportedVersion},

		{context.DeadlineExceeded, kerr.RequestTimedOut},
		{context.Canceled, kerr.RequestTimedOut},
	}
}

// code gives the Kafka code of an error: 0 for nil, UNKNOWN_SERVER_ERROR for one that is not in the table.
func (s *Server) code(err error) int16 {
	if err == nil {
		return 0
	}
	for _, row := range slices.Concat(denialCodes(), groupCodes(), codes(), transactionCodes(), userCodes(), aclCodes(), quotaCodes()) {
		if errors.Is(err, row.err) {
			return row.code.Code
		}
	}
	s.log.Error("error without a Kafka code", "error", err)
	return kerr.UnknownServerError.Code
}

// errorCode is a row of the table.
type errorCode = struct {
	err  error
	code *kerr.Error
}

// message gives what a person should read; nil for no error.
func message(err error) *string {
	if err == nil {
		return nil
	}
	text := err.Error()
	return &text
}
