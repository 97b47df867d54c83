package fsck

import (
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/objectstore"
)

// references are what heads and commits name outside of folders: segments and shared objects, and what forks name in the
// folders of others.
type references struct {
	segments, shared map[ulid.ULID]struct{}
	foreign          map[string]struct{} // keys
}

func newReferences() *references {
	return &references{segments: map[ulid.ULID]struct{}{}, shared: map[ulid.ULID]struct{}{}, foreign: map[string]struct{}{}}
}

// span counts a reference of partition tp.
func (r *references) span(tp record.TopicPartition, s *ledger.Span) {
	switch {
	case s.Inline != nil:
	case s.Place == ledger.InSegment:
		r.segments[s.Segment] = struct{}{}
	case s.Place == ledger.InShared:
		r.shared[s.Segment] = struct{}{}
	case s.Owner != record.TopicPartition{} && s.Owner != tp:
		r.foreign[s.Key(tp)] = struct{}{}
	}
}

// sums gathers what is not referred to, by kind.
type sums map[Kind]*Finding

const keysShown = 5

func (s sums) add(k Kind, o objectstore.Info) {
	f := s[k]
	if f == nil {
		made := finding(k, "", "")
		f = &made
		s[k] = f
	}
	f.Objects++
	f.Bytes += o.Size
	if len(f.Keys) < keysShown {
		f.Keys = append(f.Keys, o.Key)
	}
}

// unsweptAge is how old what nothing refers to is when somebody should look why sweep has left it.
const unsweptAge = coordination.Mark(24 * time.Hour / time.Millisecond)

// judge says what an object is that neither heads nor commits refer to.
func (r *run) judge(o objectstore.Info, kept bool) {
	id, ok := idOf(o.Key)
	mark := coordination.MarkOf(id)
	l := r.now.ledger
	switch {
	case !ok:
		r.sums.add(ForeignName, o)
	case kept:
		r.sums.add(ForBackups, o)
	case mark <= r.now.since:
		r.sums.add(EarlierEra, o)
	case mark > l.Floor():
		r.sums.add(Young, o)
	case mark+unsweptAge < l.Stamp():
		r.sums.add(Unswept, o)
	default:
		r.sums.add(Unreferenced, o)
	}
}
