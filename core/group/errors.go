package group

import "errors"

// Errors, asked for with errors.Is. The first three say nothing about the request itself: find the
// coordinator and try again.
var (
	// ErrNotCoordinator: another instance coordinates the group, or will in a moment.
	ErrNotCoordinator = errors.New("this instance does not coordinate the group")
	// ErrUnavailable: etcd, or the view of topics, cannot be had now.
	ErrUnavailable = errors.New("group coordination is not available now")
	// ErrAbandoned: the client that waited has gone.
	ErrAbandoned = errors.New("request abandoned")

	ErrInvalidGroup         = errors.New("invalid group name")
	ErrInvalidRequest       = errors.New("invalid group request")
	ErrUnknownGroup         = errors.New("no such group")
	ErrNotEmpty             = errors.New("group has members")
	ErrUnknownMember        = errors.New("unknown member")
	ErrMemberIDRequired     = errors.New("join again with the member id of this answer")
	ErrFencedInstance       = errors.New("another member has taken this group instance id")
	ErrUnreleasedInstance   = errors.New("the group instance id is in use by a live member")
	ErrIllegalGeneration    = errors.New("not the current generation")
	ErrRebalanceInProgress  = errors.New("the group rebalances: join again")
	ErrInconsistentProtocol = errors.New("the member's protocol does not fit the group's")
	ErrInvalidSession       = errors.New("session timeout is out of bounds")
	ErrGroupFull            = errors.New("group has as many members as it may")
	ErrFencedEpoch          = errors.New("member epoch is fenced: join again")
	ErrStaleEpoch           = errors.New("member epoch is stale: learn the new one by a heartbeat")
	ErrUnsupportedAssignor  = errors.New("no such assignor: use uniform or range")
	ErrInvalidRegex         = errors.New("invalid regular expression of topics")
	ErrOldCommit            = errors.New("offsets of such a group need a newer version of this request")
	ErrSubscribed           = errors.New("the group is subscribed to the topic")
	ErrMetadataTooLarge     = errors.New("offset metadata is too large")
	ErrPendingTooLarge      = errors.New("the offsets of a transaction must fit one etcd transaction")
	ErrSeatTaken            = errors.New("the group has a member by that name")
	ErrSeatGone             = errors.New("the group has no such member, or its time has run out")
	ErrSeatChanged          = errors.New("another request has changed the member at the same time")
	ErrUnknownTopic         = errors.New("unknown topic or partition")
)
