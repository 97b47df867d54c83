package txn

import "errors"

// Errors, asked for with errors.Is.
var (
	// ErrUnavailable: etcd or the log cannot be had now; ask again.
	ErrUnavailable = errors.New("transaction coordination is not available now")
	// ErrBusy: others change this transactional id all the time; ask again.
	ErrBusy = errors.New("transactional id is changed by another request")
	// ErrFenced: there is a newer epoch.
	ErrFenced = errors.New("producer is fenced by a newer one with the same transactional id")
	// ErrMapping: the transactional id is not of this producer.
	ErrMapping = errors.New("transactional id is not of this producer id")
	// ErrState: not now in the life of a transaction.
	ErrState = errors.New("request does not fit the state of the transaction")
	// ErrTimeout: the time-out asked for is none, or too long.
	ErrTimeout = errors.New("transaction time-out is out of bounds")
	// ErrTooLarge: the end of the transaction would not fit one etcd transaction. Nothing was written, and it can be aborted.
	ErrTooLarge = errors.New("transaction is too large to end")
	// ErrUnknownID: nothing is known of the transactional id.
	ErrUnknownID = errors.New("unknown transactional id")
	// ErrInvalid: a mistake of the client.
	ErrInvalid = errors.New("invalid transaction request")
)
