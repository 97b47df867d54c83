package deliver

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/firnlog/firnlog/core/consume"
	"github.com/firnlog/firnlog/core/fetch"
	"github.com/firnlog/firnlog/core/group"
	"github.com/firnlog/firnlog/core/pause"
	"github.com/firnlog/firnlog/core/record"
)

const (
	// beat is how often the group hears of a member whose lanes are at work.
	beat = time.Second
	// firstWait is how long to wait for partitions that others have to give up first: their next heartbeat.
	firstWait = 10 * time.Second
	// commitTries is how often the last commit is tried.
	commitTries = 3
	// missesMax is how many polls may fail in a row.
	missesMax = 5
)

// ErrNoDeadLetters: a record failed for good, and there is no topic for it.
var ErrNoDeadLetters = errors.New("records failed for good, and there is no dead-letter topic: nothing is skipped")

// run is one Run.
type run struct {
	Settings
	counts
	news      chan news
	lanes     map[record.TopicPartition]*lane
	blocked   map[record.TopicPartition]string
	pending   map[record.TopicPartition]record.Offset // done, and not committed yet
	ends      map[record.TopicPartition]record.Offset
	begun     map[record.TopicPartition]bool // with CommitFirst: where it begins is committed
	order     map[record.TopicPartition]int  // when it was last served
	turns     int
	misses    int
	report    Report
	outOfTime atomic.Bool
}

// Run delivers until there is nothing more to deliver, or work ends. What was delivered is committed in ctx, which ends later. The
// error says why it ended early; the report is right in any case.
func Run(ctx, work context.Context, s Settings) (Report, error) {
	d := &run{Settings: s, news: make(chan news), lanes: map[record.TopicPartition]*lane{}, blocked: map[record.TopicPartition]string{},
		pending: map[record.TopicPartition]record.Offset{}, ends: map[record.TopicPartition]record.Offset{}, begun: map[record.TopicPartition]bool{}, order: map[record.TopicPartition]int{}}
	work, cancel := context.WithCancel(work)
	err := d.loop(ctx, work)
	if work.Err() != nil {
		d.outOfTime.Store(true)
		err = nil
	}
	cancel()
	for len(d.lanes) > 0 {
		d.hear(work, <-d.news)
	}
	if e := d.commitLast(ctx); err == nil {
		err = e
	}
	return d.sum(), err
}

// loop polls and starts lanes, and hears of them.
func (d *run) loop(ctx, work context.Context) error {
	until := d.Now().Add(max(d.Wait, firstWait)) // for first partitions
	for work.Err() == nil {
		if err := d.commit(work); err != nil {
			return err
		}
		moved, err := d.poll(ctx, work)
		if err != nil {
			return err
		}
		if len(d.lanes) == 0 {
			if d.outOfTime.Load() {
				return nil
			}
			if !moved && d.misses == 0 && (len(d.Member.Places()) > 0 || !d.Now().Before(until)) {
				return nil
			}
			continue
		}
		d.listen(work)
	}
	return nil
}

// listen hears until a lane ends, or it is time for a heartbeat.
func (d *run) listen(work context.Context) {
	timer := time.NewTimer(beat)
	defer timer.Stop()
	for {
		select {
		case n := <-d.news:
			d.hear(work, n)
			if n.ended || len(n.letters) > 0 {
				return
			}
		case <-timer.C:
			return
		case <-work.Done():
			return
		}
	}
}

// poll reads what is idle as far as there are lanes, and starts these. moved: there was something.
func (d *run) poll(ctx, work context.Context) (moved bool, err error) {
	slots, wait := d.Parallel-len(d.lanes), d.Wait
	if d.outOfTime.Load() {
		slots = 0
	}
	if len(d.lanes) > 0 {
		wait = 0
	}
	if end, limited := work.Deadline(); limited {
		wait = min(wait, max(0, end.Sub(d.Now())))
	}
	skip := func(tp record.TopicPartition) bool { return slots <= 0 || d.lanes[tp] != nil || d.blocked[tp] != "" }
	hold := func(tp record.TopicPartition) bool {
		_, waits := d.pending[tp]
		return waits || d.lanes[tp] != nil
	}
	got, err := d.Member.Poll(work, skip, hold, d.FetchBytes, wait)
	if err != nil {
		return false, d.missed(work, err)
	}
	d.misses = 0
	d.forget()
	d.letGo()
	if d.CommitFirst {
		d.commitFirst()
	}
	d.byTurn(got)
	for _, f := range got {
		if slots <= 0 {
			break
		}
		started, changed := d.start(ctx, work, f)
		if started {
			slots--
		}
		moved = moved || started || changed
	}
	return moved, nil
}

// missed waits after a poll that failed: who coordinates the group may just be changing.
func (d *run) missed(work context.Context, err error) error {
	if work.Err() != nil {
		return nil
	}
	if d.misses++; d.misses > missesMax || !errors.Is(err, group.ErrUnavailable) && !errors.Is(err, group.ErrNotCoordinator) {
		return fmt.Errorf("poll: %w", err)
	}
	d.Log.Info("the group cannot be had now", "error", err)
	_ = pause.For(work, beat) // work ends: the loop sees it
	return nil
}

// forget drops what is known of partitions that others have now: their offsets are theirs to commit.
func (d *run) forget() {
	at := map[record.TopicPartition]record.Offset{}
	for _, p := range d.Member.Places() {
		at[p.Name()] = p.Position
	}
	for tp, next := range d.pending {
		if position, has := at[tp]; !has || next < position {
			delete(d.pending, tp)
		}
	}
	for tp := range d.begun {
		if _, has := at[tp]; !has {
			delete(d.begun, tp)
		}
	}
}

// letGo stops lanes before their next batch: of partitions that others wait for, or have already.
func (d *run) letGo() {
	has := map[record.TopicPartition]bool{}
	for _, p := range d.Member.Places() {
		has[p.Name()] = true
	}
	for tp, l := range d.lanes {
		l.leave.Store(!has[tp] || d.Member.Leaving(tp))
	}
}

// commitFirst notes where partitions begin.
func (d *run) commitFirst() {
	for _, p := range d.Member.Places() {
		if tp := p.Name(); !d.begun[tp] {
			d.begun[tp] = true
			if _, has := d.pending[tp]; !has && d.lanes[tp] == nil {
				d.pending[tp] = p.Position
			}
		}
	}
}

// start starts a lane, if there are records. changed: the position is another one now.
func (d *run) start(ctx, work context.Context, f consume.Fetched) (started, changed bool) {
	place, tp := *f.Place, f.Name()
	d.ends[tp] = max(d.ends[tp], f.HighWatermark)
	switch {
	case errors.Is(f.Err, fetch.ErrOutOfRange):
		if err := d.Member.Reset(ctx, f); err != nil {
			d.block(&place, err)
			return false, false
		}
		d.Log.Warn("the group's offset is out of range: the partition begins anew", "partition", PartitionName(place.Topic, place.Partition), "was", place.Position, "is", f.Position)
		d.pending[tp] = f.Position
		return false, true
	case errors.Is(f.Err, fetch.ErrUnknownPartition):
		return false, false // the group will take it away
	case f.Err != nil:
		d.block(&place, f.Err)
		return false, false
	}
	fr := newFrame(d.Bootstrap, place.Topic, place.Partition)
	records, next, err := take(f, d.Rule, fr.size())
	switch {
	case len(records) == 0 && err != nil:
		d.block(&place, err)
		return false, false
	case len(records) == 0:
		if next > place.Position { // markers, and what was aborted
			d.pending[tp] = next
			return false, true
		}
		return false, false
	}
	l := &lane{place: place, frame: fr, plan: newPlan(d.Rule, fr.size(), records, next)}
	d.turns++
	d.lanes[tp], d.order[tp] = l, d.turns
	go d.drive(work, l)
	return true, true
}

// hear takes in what a lane tells. Letters are written in the time for work, so that there is some left to commit the rest.
func (d *run) hear(work context.Context, n news) {
	l, tp := n.lane, n.lane.place.Name()
	d.report.Delivered += n.delivered
	if len(n.letters) > 0 {
		err := d.bury(work, l, n.letters)
		n.buried <- err
		if err != nil {
			l.unburied = true // its offset stays before the letters, whatever the lane says until it ends
			d.block(&l.place, err)
			return
		}
		d.report.DeadLettered += len(n.letters)
	}
	if n.blocked != nil && !l.unburied {
		d.block(&l.place, n.blocked)
	}
	if n.ended {
		delete(d.lanes, tp)
	}
	if n.through > l.place.Position && !l.unburied {
		d.pending[tp] = n.through
	}
}

func (d *run) bury(ctx context.Context, l *lane, letters []Letter) error {
	if d.Dead == nil {
		return fmt.Errorf("%w: offset %d: %s: %s", ErrNoDeadLetters, letters[0].Offset, letters[0].Reason, letters[0].Message)
	}
	for i := range letters {
		letters[i].Topic, letters[i].TopicID, letters[i].Partition = l.place.Topic, l.place.ID, l.place.Partition
		d.Log.Warn("a record is given up", "partition", l.name(), "offset", letters[i].Offset, "reason", letters[i].Reason, "error", clip(letters[i].Message), "attempts", letters[i].Attempts)
	}
	if err := d.Dead.Bury(ctx, letters); err != nil {
		return fmt.Errorf("write dead letters: %w", err)
	}
	return nil
}

func (d *run) block(p *consume.Place, err error) {
	d.Log.Error("a partition is not delivered any more in this invocation", "partition", PartitionName(p.Topic, p.Partition), "error", err)
	d.blocked[p.Name()] = err.Error()
	if d.report.Blocked == nil {
		d.report.Blocked = map[string]string{}
	}
	d.report.Blocked[PartitionName(p.Topic, p.Partition)] = err.Error()
}

// commit commits what is done. What the group does not take now is tried again after the next heartbeat.
func (d *run) commit(ctx context.Context) error {
	if len(d.pending) == 0 {
		return nil
	}
	err := d.Member.Commit(ctx, d.pending)
	switch {
	case err == nil:
		clear(d.pending)
	case ctx.Err() != nil:
	case errors.Is(err, group.ErrSeatChanged), errors.Is(err, group.ErrSeatGone):
		return fmt.Errorf("commit: %w", err)
	default:
		d.Log.Info("offsets are not committed yet", "error", err)
	}
	return nil
}

// commitLast commits when no lane is at work any more.
func (d *run) commitLast(ctx context.Context) error {
	all := func(record.TopicPartition) bool { return true }
	for try := 1; len(d.pending) > 0; try++ {
		err := d.Member.Commit(ctx, d.pending)
		if err == nil {
			clear(d.pending)
			return nil
		}
		if try == commitTries || ctx.Err() != nil {
			return fmt.Errorf("commit: %w: what was delivered since the last commit is delivered again", err)
		}
		if _, err := d.Member.Poll(ctx, all, all, 1, 0); err != nil {
			return fmt.Errorf("commit: %w", err)
		}
		d.forget()
	}
	return nil
}

func (d *run) sum() Report {
	r := d.report
	r.Invocations, r.Failed, r.Throttled = int(d.invocations.Load()), int(d.failed.Load()), int(d.throttled.Load())
	for _, p := range d.Member.Places() {
		r.Partitions++
		r.Lag += max(0, int64(d.ends[p.Name()]-p.Position))
	}
	r.OutOfTime = d.outOfTime.Load()
	return r
}
