package wire

import (
	"context"
	"encoding/binary"
	"net"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/firnlog/firnlog/core/fetch"
	"github.com/firnlog/firnlog/core/instance"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/topic"
)

// Fetch (key 1), versions 4-18. Below 4 are message formats 0 and 1.
//
//	v4   isolation level, last stable offset, aborted transactions
//	v5   log start
//	v7   sessions (sessions.go)
//	v9   current leader epoch
//	v10  topics with compression.type=zstd
//	v11  rack, preferred read replica
//	v12  flexible, last fetched epoch (never diverges: the epoch is constant)
//	v13  topic ids
//	v15-v18  fields of replicas, which there are none of
//
// A partition with an error, or one that is sent elsewhere, is answered at once, with what
// the others have by then.
func (s *Server) fetch(ctx context.Context, c *caller, req *kmsg.FetchRequest) (kmsg.Response, error) {
	resp := &fetchResponse{FetchResponse: kmsg.NewPtrFetchResponse()}
	resp.Version = req.Version
	plan, code := s.sessions.plan(req)
	if code != 0 {
		resp.ErrorCode = code
		return resp, nil
	}
	defer s.sessions.done(plan)
	held := &share{of: s.responses}
	c.release = held.give
	answers, err := s.read(ctx, c, req, plan.wants, held)
	if err != nil {
		return nil, err
	}
	fit(held, answers)
	for i := range answers {
		c.used.fetched += answers[i].size
	}
	resp.SessionID = plan.sessionID()
	at := map[fetchKey]int{} // of topics in the answer
	served := map[fetchKey]bool{}
	for i := range answers {
		key, a := plan.wants[i].fetchKey, &answers[i]
		if a.size > 0 {
			served[key] = true
		}
		if plan.session != nil && !plan.session.tell(key, a) && plan.incremental {
			continue
		}
		topicKey := fetchKey{name: key.name, id: key.id}
		n, ok := at[topicKey]
		if !ok {
			n = len(resp.Topics)
			at[topicKey] = n
			t := kmsg.NewFetchResponseTopic()
			t.Topic, t.TopicID = key.name, key.id
			resp.Topics, resp.batches = append(resp.Topics, t), append(resp.batches, nil)
		}
		resp.Topics[n].Partitions = append(resp.Topics[n].Partitions, a.encode(key.partition, req.IsolationLevel == 1))
		resp.batches[n] = append(resp.batches[n], a.batches)
	}
	if plan.session != nil {
		plan.session.rotate(served)
	}
	return resp, nil
}

// fetchAnswer is what one partition is answered.
type fetchAnswer struct {
	code                int16
	high, stable, start record.Offset
	aborted             []fetch.Aborted
	batches             net.Buffers // pieces that follow each other
	size, held          int         // bytes of the batches, and of memory that they keep
	preferred           int32
}

func (a *fetchAnswer) encode(partition int32, committed bool) kmsg.FetchResponseTopicPartition {
	p := kmsg.NewFetchResponseTopicPartition()
	p.Partition, p.ErrorCode, p.PreferredReadReplica = partition, a.code, a.preferred
	p.HighWatermark, p.LastStableOffset, p.LogStartOffset = int64(a.high), int64(a.stable), int64(a.start)
	p.RecordBatches = []byte{} // null breaks older clients
	if committed {
		p.AbortedTransactions = []kmsg.FetchResponseTopicPartitionAbortedTransaction{}
	}
	for _, t := range a.aborted {
		out := kmsg.NewFetchResponseTopicPartitionAbortedTransaction()
		out.ProducerID, out.FirstOffset = int64(t.Producer), int64(t.First)
		p.AbortedTransactions = append(p.AbortedTransactions, out)
	}
	return p
}

// fetchWaitMax bounds how long a client may make us hold its request.
const fetchWaitMax = 5 * time.Minute

// read gives an answer for each partition wanted.
func (s *Server) read(ctx context.Context, c *caller, req *kmsg.FetchRequest, wants []fetchWant, held *share) ([]fetchAnswer, error) {
	if s.steered(&s.steering) {
		return sendAway(len(wants)), nil
	}
	answers := make([]fetchAnswer, len(wants))
	ask := fetch.Request{
		BytesMin: int(max(req.MinBytes, 0)), BytesMax: min(int(max(req.MaxBytes, 0)), s.settings.FetchBytesMax),
		WaitMax: min(time.Duration(max(req.MaxWaitMillis, 0))*time.Millisecond, fetchWaitMax), ReadCommitted: req.IsolationLevel == 1, Reserve: held.reserve, InPieces: true,
	}
	ask.BytesMax = c.fetchLimit(ask.BytesMax)
	find, elsewhere := s.names(c), s.elsewhere(req)
	var from []int // of each partition asked for, its place in wants
	for i, w := range wants {
		tp, err := s.locate(ctx, find, req.Version, w)
		answers[i] = fetchAnswer{code: s.code(err), high: -1, stable: -1, start: -1, preferred: -1}
		if err == nil {
			answers[i].code = epochCode(w.epoch)
		}
		if answers[i].code == 0 {
			if node, ok := elsewhere(tp); ok && s.redirect(ctx, tp, node, &answers[i]) {
				ask.WaitMax = 0
				continue
			}
			ask.Partitions = append(ask.Partitions, fetch.Partition{TopicPartition: tp, Offset: w.offset, BytesMax: int(max(w.bytesMax, 0))})
			from = append(from, i)
			continue
		}
		ask.WaitMax = 0
	}
	if len(ask.Partitions) == 0 {
		return answers, nil
	}
	began := time.Now()
	results := s.backend.Reader.Fetch(s.events.Trace.Under(c.conn.poll, s.events.Trace.Here(ctx)), ask)
	c.used.waited += time.Since(began)
	if err := c.conn.poll.Err(); err != nil {
		if s.steered(&s.steering) && ctx.Err() == nil {
			return sendAway(len(wants)), nil
		}
		return nil, errDraining // whatever it gave, it gave up: another instance answers
	}
	for i := range results {
		answers[from[i]] = s.fetched(&results[i])
	}
	return answers, nil
}

// locate finds a partition. As in Apache Kafka, an old client is refused a topic that is all zstd, but not
// zstd that producers chose: there are clients that ask with old versions and can read it.
func (s *Server) locate(ctx context.Context, find *names, version int16, w fetchWant) (record.TopicPartition, error) {
	t, err := find.topic(ctx, version >= 13, w.name, w.id)
	if err != nil {
		return record.TopicPartition{}, err
	}
	if version < 10 && t.Configs[topic.Compression] == record.CodecZstd.String() {
		return record.TopicPartition{}, errOldForZstd
	}
	return find.partition(ctx, t, w.partition)
}

// fetched turns a result into an answer.
func (s *Server) fetched(r *fetch.Result) fetchAnswer {
	a := fetchAnswer{code: s.code(r.Err), high: r.HighWatermark, stable: r.LastStable, start: r.LogStart, aborted: r.Aborted, preferred: -1}
	if a.code != 0 {
		a.aborted = nil
		return a
	}
	a.batches, a.size, a.held = r.Pieces, r.Size(), r.Held
	if len(r.Batches) > 0 {
		a.batches = net.Buffers{r.Batches}
	}
	return a
}

// epochCode checks the leader epoch that a client believes in.
func epochCode(epoch int32) int16 {
	switch {
	case epoch > record.LeaderEpoch:
		return kerr.UnknownLeaderEpoch.Code
	case epoch < record.LeaderEpoch && epoch != -1:
		return kerr.FencedLeaderEpoch.Code
	}
	return 0
}

// elsewhere says which instance of a consumer's zone should serve it (v11+), when we are in
// another. Within the zone any of them will do: being sent around there would cost more than a cold cache.
func (s *Server) elsewhere(req *kmsg.FetchRequest) func(record.TopicPartition) (int32, bool) {
	none := func(record.TopicPartition) (int32, bool) { return 0, false }
	if req.Version < 11 || req.Rack == "" {
		return none
	}
	live, self := s.backend.Cluster.Live(), s.backend.Cluster.Self()
	for _, in := range live {
		if in.Node == self && in.Zone == req.Rack {
			return none
		}
	}
	return func(tp record.TopicPartition) (int32, bool) {
		best, ok := instance.Preferred(live, tp, req.Rack)
		return best.Node, ok && best.Zone == req.Rack && best.Node != self
	}
}

// redirect answers a partition with the instance to ask instead, without records.
func (s *Server) redirect(ctx context.Context, tp record.TopicPartition, node int32, a *fetchAnswer) bool {
	ends, err := s.backend.Reader.Bounds(ctx, tp)
	if err != nil {
		return false // Fetch says what is wrong
	}
	*a = fetchAnswer{high: ends.HighWatermark, stable: ends.LastStable, start: ends.LogStart, preferred: node}
	return true
}

// fit makes sure that an answer has its share of memory, which the reader has asked for already. Where there is none, all but
// the first batch is cut off: the client gets on, and comes back for the rest.
func fit(held *share, answers []fetchAnswer) {
	total := 0
	for i := range answers {
		total += max(answers[i].size, answers[i].held)
	}
	if held.settle(total) {
		return
	}
	first := true
	for i := range answers {
		a := &answers[i]
		if a.size == 0 {
			continue
		}
		// Copies, so that the rest is not kept in memory by a slice of it.
		one := firstBatch(a.batches, first)
		a.batches, a.size, a.held = net.Buffers{one}, len(one), len(one)
		first = false
	}
}

// firstBatch copies the first one of whole batches, or none. Its head is in one piece.
func firstBatch(b net.Buffers, keep bool) (one []byte) {
	if !keep || len(b[0]) < batchOverhead {
		return nil
	}
	size := int(binary.BigEndian.Uint32(b[0][batchLengthAt:])) + batchOverhead
	for _, piece := range b {
		one = append(one, piece[:min(size-len(one), len(piece))]...)
	}
	return one
}
