package coordination

// Op is a kind of request, as decorators count and decide by.
type Op int

// The methods of KV, Lease and Watcher, and the delivery of one Update.
const (
	OpGet Op = iota
	OpList
	OpRead
	OpCommit
	OpWatch
	OpProgress
	OpUpdate
	OpGrant
	OpRenew
	OpRevoke
)

// String is the lower-case name, for messages and labels.
func (op Op) String() string {
	switch op {
	case OpGet:
		return "get"
	case OpList:
		return "list"
	case OpRead:
		return "read"
	case OpCommit:
		return "commit"
	case OpWatch:
		return "watch"
	case OpProgress:
		return "progress"
	case OpUpdate:
		return "update"
	case OpGrant:
		return "grant"
	case OpRenew:
		return "renew"
	case OpRevoke:
		return "revoke"
	}
	return "unknown"
}
