package month_test

import (
	"context"
	"sync"
	"time"

	"github.com/firnlog/firnlog/coordination"
)

type (
	referrer = func(coordination.Item) error
	mark     = coordination.Mark
)

// job is a step of maintenance by its name.
type job struct {
	name string
	do   func(context.Context) error
}

// quick are the jobs of every round.
func (m *member) quick() []job {
	return []job{
		{"stamp", m.Upkeep.RaiseStamp}, {"floor", m.Upkeep.RaiseFloor}, {"checkpoint", m.Upkeep.Checkpoint}, {"trim", m.Upkeep.Trim},
		{"transactions", m.Txns.Expire}, {"journal", m.keeper.WriteJournal},
	}
}

// slow are the jobs of every hour, in the order in which one makes work for the next.
func (m *member) slow() []job {
	return []job{
		{"expire", m.Upkeep.Expire}, {"settle", m.settle.Run}, {"compact", m.compact.Run}, {"retain", m.retain.Step}, {"chill", m.chillAll},
		{"backup", m.keeper.TakeIfDue}, {"sweep", m.Upkeep.Sweep}, {"sweep settled", m.Upkeep.SweepSettled},
	}
}

func (m *member) chillAll(ctx context.Context) error {
	for {
		if more, err := m.chill.Step(ctx); err != nil || !more {
			return err
		}
	}
}

// observe lets all instances see the marks stand.
func (w *world) observe() {
	w.t.Helper()
	for _, m := range w.members {
		m.Barrier()
		m.Upkeep.Observe()
	}
}

// maintain does what is due every round.
func (w *world) maintain(m *member) {
	w.t.Helper()
	w.observe()
	for _, j := range m.quick() {
		w.do(j.name, j.do)
	}
}

// hourly does what is due every hour. Sometimes a second instance does the same at the same time, as when a lease was lost.
func (w *world) hourly(m *member) {
	w.t.Helper()
	if w.dice.IntN(8) > 0 {
		for _, j := range m.slow() {
			w.do(j.name, j.do)
		}
		return
	}
	w.done.besides++
	both := []*member{m, w.any()}
	for both[1] == m {
		both[1] = w.any()
	}
	var group sync.WaitGroup
	for _, m := range both {
		group.Go(func() {
			for _, j := range m.slow() {
				_ = j.do(w.t.Context()) // who comes second may find that what it was about is gone; the next hour does the rest
			}
		})
	}
	group.Wait()
}

// compactHistory is what etcd's auto-compaction does.
func (w *world) compactHistory() {
	w.t.Helper()
	snap, err := w.Etcd.Get(w.t.Context(), w.Keys.Format())
	if err == nil {
		err = w.Etcd.Compact(w.t.Context(), snap.Revision)
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

// pass runs rounds of traffic and maintenance for a while, and tells of every hour.
func (w *world) pass(d time.Duration, hour func(n int)) {
	w.t.Helper()
	rounds := int(time.Hour / w.round)
	for n := range int(d / w.round) {
		time.Sleep(w.round)
		turn := (n / rounds) % len(w.members)
		w.traffic()
		w.maintain(w.members[turn])
		w.Transcript() // forgotten: it would grow
		if (n+1)%rounds != 0 {
			continue
		}
		w.chaos((n + 1) / rounds)
		w.hourly(w.members[turn])
		w.do("journal", w.members[turn].keeper.WriteJournal) // in time, as it is every ten seconds
		w.compactHistory()
		if hour != nil {
			hour((n + 1) / rounds)
		}
	}
}
