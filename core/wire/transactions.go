package wire

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/txn"
)

// Transactions coordinates transactional ids; *txn.Coordinator is it. Any instance takes any of them.
type Transactions interface {
	Init(ctx context.Context, id string, timeoutMs int32, have txn.Identity) (txn.Identity, error)
	AddPartitions(ctx context.Context, id string, who txn.Identity, parts []record.TopicPartition) error
	AddGroup(ctx context.Context, id string, who txn.Identity, group string) error
	JoinGroup(ctx context.Context, id string, who txn.Identity, group string, implicit bool) ([]coordination.Guard, []coordination.Change, error)
	End(ctx context.Context, id string, who txn.Identity, commit, bump bool) (txn.Identity, error)
	AbortProducer(ctx context.Context, who txn.Identity) error

	List(ctx context.Context) (map[string]*txn.State, error)
	Describe(ctx context.Context, id string) (*txn.State, error)
	NowMs() int64
}

// transactionCodes is the part of codes that is about transactions.
//
//   - fenced: INVALID_PRODUCER_EPOCH, and PRODUCER_FENCED in the versions that know it (fencedCode);
//   - not available: COORDINATOR_NOT_AVAILABLE, after which clients find the coordinator again;
//   - changed by others all the time: CONCURRENT_TRANSACTIONS, after which they try again;
//   - too large: MESSAGE_TOO_LARGE, which no client knows here, so it gives up and can only abort.
func transactionCodes() []struct {
	err  error
	code *kerr.Error
} {
	return []struct {
		err  error
		code *kerr.Error
	}{
		{txn.ErrFenced, kerr.InvalidProducerEpoch},
		{txn.ErrMapping, kerr.InvalidProducerIDMapping},
		{txn.ErrState, kerr.InvalidTxnState},
		{txn.ErrTimeout, kerr.InvalidTransactionTimeout},
		{txn.ErrTooLarge, kerr.MessageTooLarge},
		{txn.ErrUnknownID, kerr.TransactionalIDNotFound},
		{txn.ErrInvalid, kerr.InvalidRequest},
		{txn.ErrBusy, kerr.ConcurrentTransactions},
		{txn.ErrUnavailable, kerr.CoordinatorNotAvailable},
	}
}

// fencedCode says PRODUCER_FENCED to clients that know it.
func fencedCode(code int16, known bool) int16 {
	if known && code == kerr.InvalidProducerEpoch.Code {
		return kerr.ProducerFenced.Code
	}
	return code
}

func identity(id int64, epoch int16) txn.Identity {
	return txn.Identity{Producer: record.ProducerID(id), Epoch: record.Epoch(epoch)}
}
