package wire

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/firnlog/firnlog/core/auth"
)

// WriteTxnMarkers (key 27), versions 1-2.
//
//	v2  transaction version
//
// Brokers send it to each other; there is nothing like it here. It is what kafka-transactions abort sends for a transaction that
// hangs: the producer's open transaction is aborted in all its partitions, and the producer fenced. A marker that
// commits is refused.
func (s *Server) writeTxnMarkers(ctx context.Context, c *caller, req *kmsg.WriteTxnMarkersRequest) (kmsg.Response, error) {
	resp := kmsg.NewPtrWriteTxnMarkersResponse()
	resp.Version = req.Version
	refused := c.mayAlso(auth.Aside(ctx), auth.OperationAlter, auth.ResourceCluster, auth.ClusterName)
	if refused != nil {
		refused = c.mayCluster(ctx)
	}
	for _, m := range req.Markers {
		err := fmt.Errorf("%w: transactions are committed by their producers alone", errRequest)
		switch {
		case refused != nil:
			err = refused
		case !m.Committed:
			err = s.backend.Transactions.AbortProducer(ctx, identity(m.ProducerID, m.ProducerEpoch))
		}
		out := kmsg.NewWriteTxnMarkersResponseMarker()
		out.ProducerID = m.ProducerID
		for _, asked := range m.Topics {
			t := kmsg.NewWriteTxnMarkersResponseMarkerTopic()
			t.Topic = asked.Topic
			for _, n := range asked.Partitions {
				p := kmsg.NewWriteTxnMarkersResponseMarkerTopicPartition()
				p.Partition, p.ErrorCode = n, s.code(err)
				t.Partitions = append(t.Partitions, p)
			}
			out.Topics = append(out.Topics, t)
		}
		resp.Markers = append(resp.Markers, out)
	}
	return resp, nil
}
