package linear

import (
	"github.com/firnlog/firnlog/sim/queues"
)

// Queues takes a history of clients apart into its partitions: what they sent, and what they read of each other. A batch is one
// record there. Of records that a poll brought only that they are there is known.
func Queues(h *queues.History) map[queues.Key][]Op {
	out := map[queues.Key][]Op{}
	for i := range h.Ops {
		op := &h.Ops[i]
		for _, s := range op.Steps {
			o := Op{Kind: Read, From: op.Start, To: op.End, Value: int64(s.Value), Base: s.Offset, Records: 1}
			if s.Sent {
				o.Kind = Append
				if s.Offset == queues.NoOffset {
					o.Base, o.To = Unknown, Never
				}
			}
			out[s.Key] = append(out[s.Key], o)
		}
	}
	return out
}
