package objectstore

// Op is a kind of request, as decorators count and decide by.
type Op int

// The four methods of Store.
const (
	OpPut Op = iota
	OpGet
	OpList
	OpDelete
)

// String is the lower-case name, for messages and labels.
func (op Op) String() string {
	switch op {
	case OpPut:
		return "put"
	case OpGet:
		return "get"
	case OpList:
		return "list"
	case OpDelete:
		return "delete"
	}
	return "unknown"
}

// Changes says that the request is meant to have an effect, so that a lost
// answer leaves its outcome unknown.
func (op Op) Changes() bool { return op == OpPut || op == OpDelete }
