package wire

import (
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/firnlog/firnlog/core/record"
)

// Incremental fetch sessions (KIP-227): the server remembers a client's partitions, the client
// sends only what it changes, and the server answers only what changed.
//
//	id 0, epoch -1   no session; with an id: and forget that one
//	id *, epoch 0    a full list; make a session if there is room (else answer id 0), forget id
//	id n, epoch > 0  changes to session n, whose next epoch this must be
//
// Sessions live in a bounded cache. A full cache evicts the one used longest ago, but none that
// was used within evictAfter: that would only make two clients chase each other. No lock is
// held while records are read: the session is busy from the beginning of a request to its answer, and a second
// request meanwhile (a client that reconnected) is refused.

const (
	evictAfter           = 2 * time.Minute
	sessionPartitionsMax = 10_000 // of one session; a client with more does without
)

// fetchKey is a partition as the client names it: by name up to v12, by id from v13.
type fetchKey struct {
	name      string
	id        record.TopicID
	partition int32
}

// fetchWant is what a client wants of a partition.
type fetchWant struct {
	fetchKey
	offset   record.Offset
	bytesMax int32
	epoch    int32 // that the client believes the leader to have, -1: no opinion
}

// fetchTold is what the client was last told of a partition; it is told again what differs.
type fetchTold struct {
	fetchWant
	high, start record.Offset
}

// session is one client's list. order and index belong to the request that has it busy.
type session struct {
	id    int32
	epoch int32
	byID  bool
	used  time.Time
	busy  bool
	order []*fetchTold // the order in which they are read
	index map[fetchKey]*fetchTold
}

type sessions struct {
	max int
	now func() time.Time

	mu struct {
		sync.Mutex
		byID map[int32]*session
	}
}

func newSessions(max int, now func() time.Time) *sessions {
	s := &sessions{max: max, now: now}
	s.mu.byID = map[int32]*session{}
	return s
}

// fetchPlan is what one request comes to.
type fetchPlan struct {
	wants       []fetchWant
	session     *session // nil: none
	incremental bool
}

// sessionID is what the answer carries.
func (p fetchPlan) sessionID() int32 {
	if p.session == nil {
		return 0
	}
	return p.session.id
}

// plan finds out what a request asks for. code is not 0 when its session does not fit.
func (s *sessions) plan(req *kmsg.FetchRequest) (p fetchPlan, code int16) {
	if req.Version < 7 || req.SessionEpoch == -1 {
		s.forget(req.SessionID)
		return fetchPlan{wants: wanted(req)}, 0
	}
	if req.SessionEpoch == 0 {
		s.forget(req.SessionID)
		p.wants = wanted(req)
		p.session = s.open(p.wants, req.Version >= 13)
		return p, 0
	}
	return s.resume(req)
}

// wanted are the partitions that the request itself names.
func wanted(req *kmsg.FetchRequest) []fetchWant {
	var wants []fetchWant
	for i := range req.Topics {
		t := &req.Topics[i]
		for j := range t.Partitions {
			q := &t.Partitions[j]
			wants = append(wants, fetchWant{fetchKey{t.Topic, t.TopicID, q.Partition}, record.Offset(q.FetchOffset), q.PartitionMaxBytes, q.CurrentLeaderEpoch})
		}
	}
	return wants
}

// open makes a session if there is room.
func (s *sessions) open(wants []fetchWant, byID bool) *session {
	if len(wants) == 0 || len(wants) > sessionPartitionsMax {
		return nil
	}
	n := &session{epoch: 1, busy: true, byID: byID, used: s.now(), index: map[fetchKey]*fetchTold{}}
	for _, w := range wants {
		n.want(w)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.mu.byID) >= s.max && !s.evict() {
		return nil
	}
	for n.id == 0 || s.mu.byID[n.id] != nil {
		n.id = rand.Int32()
	}
	s.mu.byID[n.id] = n
	return n
}

// evict drops the session used longest ago. It looks at all: the cache is small, and full ones
// are rare.
func (s *sessions) evict() bool {
	var oldest *session
	for _, one := range s.mu.byID {
		if oldest == nil || one.used.Before(oldest.used) {
			oldest = one
		}
	}
	if oldest == nil || s.now().Sub(oldest.used) < evictAfter {
		return false
	}
	delete(s.mu.byID, oldest.id)
	return true
}

func (s *sessions) forget(id int32) {
	s.mu.Lock()
	delete(s.mu.byID, id)
	s.mu.Unlock()
}

// spend takes a session for one request.
func (s *sessions) spend(id, epoch int32, byID bool) (*session, int16) {
	s.mu.Lock()
	defer s.mu.Unlock()
	found := s.mu.byID[id]
	switch {
	case found == nil:
		return nil, kerr.FetchSessionIDNotFound.Code
	case found.epoch != epoch || found.busy:
		return nil, kerr.InvalidFetchSessionEpoch.Code
	case found.byID != byID:
		return nil, kerr.FetchSessionTopicIDError.Code
	}
	found.epoch, found.used, found.busy = nextEpoch(epoch), s.now(), true
	return found, 0
}

// done lets the next request of the session in.
func (s *sessions) done(p fetchPlan) {
	if p.session != nil {
		s.mu.Lock()
		p.session.busy = false
		s.mu.Unlock()
	}
}

// nextEpoch wraps to 1: 0 and -1 mean something else.
func nextEpoch(epoch int32) int32 { return max(epoch+1, 1) }

// resume applies an incremental request to its session.
func (s *sessions) resume(req *kmsg.FetchRequest) (p fetchPlan, code int16) {
	found, code := s.spend(req.SessionID, req.SessionEpoch, req.Version >= 13)
	if code != 0 {
		return p, code
	}
	for _, t := range req.ForgottenTopics {
		for _, n := range t.Partitions {
			found.forget(fetchKey{t.Topic, t.TopicID, n})
		}
	}
	for _, w := range wanted(req) {
		found.want(w)
	}
	for _, told := range found.order {
		p.wants = append(p.wants, told.fetchWant)
	}
	if len(p.wants) == 0 || len(p.wants) > sessionPartitionsMax {
		s.forget(found.id) // answered in full under id 0: the client begins anew
		return p, 0
	}
	p.session, p.incremental = found, true
	return p, 0
}

// want adds a partition at the end, or changes what is wanted of it.
func (n *session) want(w fetchWant) {
	if told := n.index[w.fetchKey]; told != nil {
		told.fetchWant = w
		return
	}
	told := &fetchTold{fetchWant: w, high: -1, start: -1}
	n.index[w.fetchKey] = told
	n.order = append(n.order, told)
}

func (n *session) forget(k fetchKey) {
	told := n.index[k]
	if told == nil {
		return
	}
	delete(n.index, k)
	n.order = slices.DeleteFunc(n.order, func(o *fetchTold) bool { return o == told })
}

// tell notes what a partition is answered, and says whether there is anything new for the client.
// Errors, records and hints are always news.
func (n *session) tell(k fetchKey, a *fetchAnswer) bool {
	told := n.index[k]
	if told == nil {
		return true
	}
	if a.code != 0 {
		told.high = -1 // so that the next good answer is news
		return true
	}
	news := len(a.batches) > 0 || a.preferred >= 0 || told.high != a.high || told.start != a.start
	told.high, told.start = a.high, a.start
	return news
}

// rotate moves the partitions that returned records behind the others, so that all get their turn.
func (n *session) rotate(served map[fetchKey]bool) {
	if len(served) == 0 {
		return
	}
	front := make([]*fetchTold, 0, len(n.order))
	var back []*fetchTold
	for _, told := range n.order {
		if served[told.fetchKey] {
			back = append(back, told)
			continue
		}
		front = append(front, told)
	}
	n.order = append(front, back...)
}
