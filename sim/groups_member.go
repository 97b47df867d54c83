package sim

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/firnlog/firnlog/core/group"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/tests/groups"
)

// simMember is a client in a group: it processes records of what it owns, and commits them.
type simMember struct {
	w        *groupWorld
	record   *groups.Recorder
	name     string
	group    int
	consumer bool // of KIP-848; otherwise of the classic protocol, and eager
	ctx      context.Context
	stop     context.CancelFunc // ends it without a goodbye
	goodbye  chan struct{}
	dice     dice
	asked    int
	id       string
	heard    time.Duration   // when the last answer came
	next     map[int32]int64 // of what it owns: the first record that it has not processed
	past     []stale
	mu       struct {
		sync.Mutex
		generation  int32
		gone        bool
		pausedUntil time.Time
	}
}

func (w *groupWorld) newMember(g int, name string, consumer bool) *simMember {
	m := &simMember{w: w, record: w.records[g], name: name, group: g, consumer: consumer, goodbye: make(chan struct{}), dice: throw(w.seed, "member", g, 0, name), next: map[int32]int64{}}
	m.ctx, m.stop = context.WithCancel(w.ctx)
	return m
}

func (m *simMember) live() {
	if m.consumer {
		m.liveConsumer()
	} else {
		m.liveClassic()
	}
}

func (m *simMember) at() int32 { m.mu.Lock(); defer m.mu.Unlock(); return m.mu.generation }

func (m *simMember) isGone() bool { m.mu.Lock(); defer m.mu.Unlock(); return m.mu.gone }

func (m *simMember) enters(generation int32) {
	m.mu.Lock()
	m.mu.generation = generation
	m.mu.Unlock()
}

// end takes it away.
func (m *simMember) end(killed bool) {
	m.mu.Lock()
	m.mu.gone = true
	m.mu.Unlock()
	if killed {
		m.record.Note(groups.Event{Start: m.record.Now(), End: 1<<63 - 1, Kind: groups.Disturbed, Member: m.name, Note: "killed"})
		m.stop()
		return
	}
	close(m.goodbye)
}

func (m *simMember) pause(d time.Duration) {
	now := m.record.Now()
	m.record.Note(groups.Event{Start: now, End: now + d + 12*time.Second, Kind: groups.Disturbed, Member: m.name, Note: "paused"})
	m.mu.Lock()
	m.mu.pausedUntil = time.Now().Add(d)
	m.mu.Unlock()
}

func (m *simMember) heal() { m.mu.Lock(); m.mu.pausedUntil = time.Time{}; m.mu.Unlock() }

// gate holds a paused member.
func (m *simMember) gate() {
	for {
		m.mu.Lock()
		left := time.Until(m.mu.pausedUntil)
		m.mu.Unlock()
		if left <= 0 || !wait(m.ctx, min(left, time.Second)+m.dice.between(0, 3*time.Millisecond)) {
			return
		}
	}
}

// rest waits until the next beat: false when the member ends.
func (m *simMember) rest(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-m.goodbye:
		return false
	case <-m.ctx.Done():
		return false
	}
	m.gate()
	return m.ctx.Err() == nil
}

// leaving says whether it was told to go.
func (m *simMember) leaving() bool {
	select {
	case <-m.goodbye:
		return true
	case <-m.ctx.Done():
		return true
	default:
		return false
	}
}

var errSilence = errors.New("no answer")

// ask sends a request to the group's coordinator, as some instance knows it, and waits for the answer for so long.
func ask[T any](m *simMember, patience time.Duration, do func(context.Context, *desk) (T, error)) (out T, err error) {
	m.gate()
	m.asked++
	m.w.counter.operations.Add(1)
	d := throw(m.w.seed, "ask "+m.name, m.asked, 0, "")
	at := m.coordinator(&d)
	ctx, cancel := context.WithTimeout(m.ctx, patience)
	defer cancel()
	if !wait(ctx, m.w.way(&d)) || at == nil || at.isDead() {
		wait(m.ctx, d.between(10*time.Millisecond, 100*time.Millisecond))
		return out, errSilence
	}
	at.gate(&d)
	// A connection's end is seen at once. If it were not, a request that was given up could be carried out after later ones,
	// as with Kafka.
	server, hangUp := context.WithCancel(at.ctx)
	context.AfterFunc(ctx, hangUp)
	type answer struct {
		value T
		err   error
	}
	answers := make(chan answer, 1)
	m.w.work.Go(func() {
		defer hangUp()
		value, err := do(server, at)
		answers <- answer{value, err}
	})
	deaf, back := m.w.chance(&d, m.w.Deaf), m.w.way(&d)
	select {
	case a := <-answers:
		at.gate(&d)
		if deaf || !wait(ctx, back) || at.isDead() {
			return out, errSilence
		}
		m.gate()
		m.hears()
		return a.value, a.err
	case <-ctx.Done():
	case <-at.ctx.Done():
		wait(m.ctx, back) // the connection ends
	}
	return out, errSilence
}

// hears notes an answer. That it has come does not undo the silence before it: the answer may be that the member was put out.
func (m *simMember) hears() {
	m.cutOff()
	m.heard = m.record.Now()
}

// cutOff notes that the member has heard nothing for so long that the group may have put it out.
func (m *simMember) cutOff() {
	if m.record.Now()-m.heard > silenceMax {
		m.record.Note(groups.Event{Start: m.heard, Kind: groups.Disturbed, Member: m.name, Note: "cut off"})
	}
}

// coordinator asks some instance who it is.
func (m *simMember) coordinator(d *dice) *desk {
	asked := m.w.deskOf(int32(d.below(m.w.Desks)))
	if asked == nil {
		return nil
	}
	in, err := asked.Find(groupNames[m.group])
	if err != nil {
		return nil
	}
	return m.w.deskOf(in.Node)
}

func (m *simMember) partitions(numbers []int32) (out []groups.Partition) {
	for _, n := range numbers {
		out = append(out, groups.Partition{Topic: groupNames[m.group], Number: n})
	}
	return out
}

// stale is what a member might have committed before it gave partitions up.
type stale struct {
	check   group.CommitCheck
	offsets map[int32]group.Committed
}

// replay sends such a commit late, as if it had been held up on its way. It is of an older generation: within one nobody could tell
// it from another one (in a KIP-848 group a member may stay at its epoch although it has given partitions up; so with Kafka).
func (m *simMember) replay() {
	if len(m.past) == 0 || !m.dice.chance(.3) {
		return
	}
	if old := m.past[len(m.past)-1-m.dice.below(min(len(m.past), 2))]; old.check.Generation < m.at() {
		m.commit(old.check, old.offsets)
	}
}

// gains notes what it owns more.
func (m *simMember) gains(numbers []int32) {
	for _, n := range numbers {
		m.next[n] = -1
	}
	m.record.Note(groups.Event{Start: m.record.Now(), Kind: groups.Assigned, Member: m.name, Generation: m.at(), Partitions: m.partitions(numbers)})
}

// silenceMax is how long a member may hear nothing and be sure that it was heard itself: its session is six seconds, and its
// last request may have come long before the answer.
const silenceMax = 3 * time.Second

// gives notes what it owns no more.
func (m *simMember) gives(kind groups.Kind, numbers []int32) {
	m.cutOff()
	old := stale{m.check(), map[int32]group.Committed{}}
	for _, n := range numbers {
		if m.next[n] >= 0 {
			old.offsets[n] = group.Committed{Offset: record.Offset(m.next[n]), LeaderEpoch: -1}
		}
		delete(m.next, n)
	}
	if len(old.offsets) > 0 {
		m.past = append(m.past, old)
	}
	m.record.Note(groups.Event{Start: m.record.Now(), Kind: kind, Member: m.name, Generation: m.at(), Partitions: m.partitions(numbers)})
}

func (m *simMember) owned() []int32 { return slices.Sorted(maps.Keys(m.next)) }

// consume processes some records of each partition, and commits; first it learns where to begin.
func (m *simMember) consume() {
	if !m.begin() {
		return
	}
	m.replay()
	offsets := map[int32]group.Committed{}
	for _, n := range m.owned() {
		more := int64(m.dice.below(3))
		if more == 0 {
			continue
		}
		m.record.Note(groups.Event{Start: m.record.Now(), Kind: groups.Processed, Member: m.name, Partitions: m.partitions([]int32{n}), From: m.next[n], Offset: m.next[n] + more})
		m.next[n] += more
		offsets[n] = group.Committed{Offset: record.Offset(m.next[n]), LeaderEpoch: -1}
	}
	if len(offsets) == 0 || !wait(m.ctx, m.dice.between(0, 20*time.Millisecond)) {
		return
	}
	m.gate()
	m.commit(m.check(), offsets)
}

func (m *simMember) check() group.CommitCheck {
	return group.CommitCheck{MemberID: m.id, Generation: m.at(), NewErrors: true}
}

func (m *simMember) commit(check group.CommitCheck, offsets map[int32]group.Committed) {
	topic := m.w.topics[m.group]
	start := m.record.Now()
	_, err := ask(m, 8*time.Second, func(ctx context.Context, d *desk) (struct{}, error) {
		return struct{}{}, d.CommitOffsets(ctx, topic.Name, group.CommitRequest{CommitCheck: check, Topics: []group.CommitTopic{{Name: topic.Name, ID: topic.ID, Partitions: offsets}}})
	})
	for n, o := range offsets {
		e := groups.Event{Start: start, Kind: groups.Commit, Member: m.name, Generation: check.Generation, Partitions: m.partitions([]int32{n}), Offset: int64(o.Offset), Outcome: commitOutcome(err)}
		if err != nil {
			e.Note = err.Error()
		}
		m.record.Note(e)
	}
}

// definite are the errors after which nothing was committed.
var definite = []error{group.ErrIllegalGeneration, group.ErrUnknownMember, group.ErrStaleEpoch, group.ErrRebalanceInProgress, group.ErrUnknownGroup}

func commitOutcome(err error) groups.Outcome {
	switch {
	case err == nil:
		return groups.OK
	case slices.ContainsFunc(definite, func(d error) bool { return errors.Is(err, d) }):
		return groups.Refused
	default:
		return groups.Unknown
	}
}

// begin reads what was committed of partitions that are new.
func (m *simMember) begin() bool {
	var fresh []int32
	for _, n := range m.owned() {
		if m.next[n] < 0 {
			fresh = append(fresh, n)
		}
	}
	if len(fresh) == 0 {
		return true
	}
	topic := m.w.topics[m.group]
	start := m.record.Now()
	got, err := ask(m, 5*time.Second, func(ctx context.Context, d *desk) ([]group.FetchedTopic, error) {
		return d.FetchOffsets(ctx, topic.Name, group.FetchRequest{Epoch: -1, Topics: []group.FetchTopic{{Name: topic.Name, ID: topic.ID}}})
	})
	if err != nil {
		return false
	}
	for _, n := range fresh {
		m.next[n] = 0
		e := groups.Event{Start: start, Kind: groups.Read, Member: m.name, Partitions: m.partitions([]int32{n}), Offset: -1}
		if len(got) == 1 {
			if o, ok := got[0].Partitions[n]; ok {
				m.next[n], e.Offset = int64(o.Offset), int64(o.Offset)
			}
		}
		m.record.Note(e)
	}
	return true
}
