package wire

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/firnlog/firnlog/core/auth"
	"github.com/firnlog/firnlog/core/group"
	"github.com/firnlog/firnlog/core/txn"
)

// ListTransactions (key 66), versions 0-2.
//
//	v1  filter by how long a transaction is open
//	v2  filter by a regular expression of the whole id (KIP-1152)
//
// Each instance names the transactional ids whose clients are sent to it; administrators ask all.
func (s *Server) listTransactions(ctx context.Context, c *caller, req *kmsg.ListTransactionsRequest) (kmsg.Response, error) {
	resp := kmsg.NewPtrListTransactionsResponse()
	resp.Version = req.Version
	for _, f := range req.StateFilters {
		if !slices.Contains(transactionPhases(), f) {
			resp.UnknownStateFilters = append(resp.UnknownStateFilters, f)
		}
	}
	pattern, err := regexp.Compile("^(?:" + text(req.TransactionalIDPattern) + ")$")
	if err != nil {
		err = fmt.Errorf("%w: %w", group.ErrInvalidRegex, err)
	}
	var found map[string]*txn.State
	if err == nil {
		found, err = s.backend.Transactions.List(ctx)
	}
	resp.ErrorCode = s.code(err)
	now := s.backend.Transactions.NowMs()
	for _, id := range slices.Sorted(maps.Keys(found)) {
		st := found[id]
		switch {
		case len(req.StateFilters) > 0 && !slices.Contains(req.StateFilters, string(st.Phase)),
			len(req.ProducerIDFilters) > 0 && !slices.Contains(req.ProducerIDFilters, int64(st.Producer)),
			req.Version >= 1 && req.DurationFilterMillis >= 0 && (st.Phase != txn.Ongoing || now-st.StartedMs <= req.DurationFilterMillis),
			text(req.TransactionalIDPattern) != "" && !pattern.MatchString(id),
			!c.shows(ctx, auth.ResourceTransactionalID, id):
			continue
		}
		one := kmsg.NewListTransactionsResponseTransactionState()
		one.TransactionalID, one.ProducerID, one.TransactionState = id, int64(st.Producer), string(st.Phase)
		resp.TransactionStates = append(resp.TransactionStates, one)
	}
	return resp, nil
}

// transactionPhases are Kafka's, of which some never come about here.
func transactionPhases() []string {
	return []string{"Empty", "Ongoing", "PrepareCommit", "PrepareAbort", "CompleteCommit", "CompleteAbort", "Dead", "PrepareEpochFence"}
}
