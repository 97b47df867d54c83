package wire

import (
	"context"
	"errors"
	"net"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/firnlog/firnlog/core/group"
	"github.com/firnlog/firnlog/core/instance"
)

// Groups coordinates consumer groups; *group.Coordinator is it.
type Groups interface {
	Find(name string) (instance.Info, error)

	// Join and Sync wait for other members.
	Join(ctx context.Context, name string, r group.JoinRequest) group.JoinResult
	Sync(ctx context.Context, name string, r group.SyncRequest) group.SyncResult
	Heartbeat(ctx context.Context, name string, r group.HeartbeatRequest) error
	Leave(ctx context.Context, name string, members []group.LeaveRequest) ([]error, error)
	ConsumerHeartbeat(ctx context.Context, name string, r group.ConsumerRequest) (group.ConsumerResult, error)

	CommitOffsets(ctx context.Context, name string, r group.CommitRequest) error
	CommitPending(ctx context.Context, name string, r group.PendingRequest) error
	FetchOffsets(ctx context.Context, name string, r group.FetchRequest) ([]group.FetchedTopic, error)
	DeleteOffsets(ctx context.Context, name string, topics []group.CommitTopic) ([]error, error)

	List(ctx context.Context) ([]group.Listed, error)
	Describe(ctx context.Context, name string) (group.Description, error)
	Delete(ctx context.Context, name string) error
}

// groupCodes is the part of codes that is about groups.
//
//   - not available: COORDINATOR_NOT_AVAILABLE, after which clients find the coordinator again
//     (OffsetFetch alone says COORDINATOR_LOAD_IN_PROGRESS, since Java's consumer knows nothing else there);
//   - a wait that was given up: NOT_COORDINATOR, since this instance stops serving, or nobody reads it.
func groupCodes() []struct {
	err  error
	code *kerr.Error
} {
	return []struct {
		err  error
		code *kerr.Error
	}{
		{group.ErrNotCoordinator, kerr.NotCoordinator},
		{group.ErrUnavailable, kerr.CoordinatorNotAvailable},
		{group.ErrAbandoned, kerr.NotCoordinator},
		{group.ErrInvalidGroup, kerr.InvalidGroupID},
		{group.ErrInvalidRequest, kerr.InvalidRequest},
		{group.ErrUnknownGroup, kerr.GroupIDNotFound},
		{group.ErrNotEmpty, kerr.NonEmptyGroup},
		{group.ErrUnknownMember, kerr.UnknownMemberID},
		{group.ErrMemberIDRequired, kerr.MemberIDRequired},
		{group.ErrFencedInstance, kerr.FencedInstanceID},
		{group.ErrUnreleasedInstance, kerr.UnreleasedInstanceID},
		{group.ErrIllegalGeneration, kerr.IllegalGeneration},
		{group.ErrRebalanceInProgress, kerr.RebalanceInProgress},
		{group.ErrInconsistentProtocol, kerr.InconsistentGroupProtocol},
		{group.ErrInvalidSession, kerr.InvalidSessionTimeout},
		{group.ErrGroupFull, kerr.GroupMaxSizeReached},
		{group.ErrFencedEpoch, kerr.FencedMemberEpoch},
		{group.ErrStaleEpoch, kerr.StaleMemberEpoch},
		{group.ErrUnsupportedAssignor, kerr.UnsupportedAssignor},
		{group.ErrInvalidRegex, kerr.InvalidRegularExpression},
		{group.ErrOldCommit, kerr.UnsupportedVersion},
		{group.ErrSubscribed, kerr.GroupSubscribedToTopic},
		{group.ErrMetadataTooLarge, kerr.OffsetMetadataTooLarge},
		{group.ErrPendingTooLarge, kerr.MessageTooLarge},
		{errCoordinatorType, kerr.UnsupportedVersion},
	}
}

var errCoordinatorType = errors.New("only groups and transactions have coordinators here")

// host is where a client calls from, in the form that Kafka's tools show.
func (c *caller) host() string {
	if c.conn.nc.RemoteAddr() == nil {
		return "/"
	}
	host, _, err := net.SplitHostPort(c.conn.nc.RemoteAddr().String())
	if err != nil {
		host = strings.TrimSpace(c.conn.nc.RemoteAddr().String())
	}
	return "/" + host
}

// text is what a string that may be null says; "" for null.
func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
