package stream

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/pause"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/rule"
)

// readTimeout bounds one read of etcd.
const readTimeout = 5 * time.Second

// bootstrap reads all of log/ at one revision and makes it the state of this instance.
//
// The first page is a linearizable read; its revision R is that of the whole.
// The other pages are read at R: two pages at two revisions would miss what
// was covered and trimmed in between. A compacted R means: begin again.
func (s *Stream) bootstrap(ctx context.Context) (coordination.Revision, error) {
	if err := s.ensureCluster(ctx); err != nil {
		return 0, err
	}
	loader := ledger.NewLoader(s.Keys)
	r := coordination.Range{Prefix: s.Keys.Log(), Limit: s.PageMax}
	var at coordination.Revision
	for {
		page, err := s.list(ctx, r)
		if err != nil {
			return 0, fmt.Errorf("read the log at revision %d: %w", r.At, err)
		}
		if at == 0 {
			at = page.Revision
		}
		if err := loader.Add(page.Items); err != nil {
			return 0, err
		}
		if !page.More {
			break
		}
		r.After = page.Items[len(page.Items)-1].Key
		if r.At = at; !rule.On(rule.OneRevision) {
			r.At, at = 0, page.Revision
		}
	}
	if err := s.refuseOlder(at); err != nil {
		return 0, err
	}
	folded := map[string]*Learned{}
	l, err := loader.Done(at, ledger.Observer{Commit: s.collect(folded)})
	if err != nil {
		return 0, err
	}
	s.install(l, at, folded)
	return at, nil
}

// refuseOlder: a revision lower than one already seen means another etcd or a
// restored one; what this instance knows is void.
func (s *Stream) refuseOlder(at coordination.Revision) error {
	s.state.RLock()
	older := s.state.ledger != nil && at < s.state.ledger.Revision()
	s.state.RUnlock()
	if older {
		s.forget()
		return fmt.Errorf("etcd is at revision %d, which is in the past: %w", at, ledger.ErrEra)
	}
	return nil
}

func (s *Stream) list(ctx context.Context, r coordination.Range) (coordination.Page, error) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	return s.KV.List(ctx, r)
}

// ensureCluster creates format, floor and stamp where there is no cluster yet. Losing
// the race against another instance is as good.
func (s *Stream) ensureCluster(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	snap, err := s.KV.Get(ctx, s.Keys.Format())
	if err != nil {
		return fmt.Errorf("read format: %w", err)
	}
	if snap.Items[0].Create != 0 {
		return nil
	}
	if s.MayBegin != nil {
		if err := s.MayBegin(ctx); err != nil {
			return fmt.Errorf("begin a new cluster: %w", err)
		}
	}
	era := s.randomID(uint64(s.Now().UnixMilli()))
	guards, changes := ledger.Creation(s.Keys, ledger.Format{Version: ledger.FormatVersion, Era: era.String()}, coordination.Mark(s.Now().UnixMilli()))
	if _, err := s.KV.Commit(ctx, guards, changes); err != nil {
		return fmt.Errorf("create cluster: %w", err)
	}
	return nil
}

// install makes l the state and tells those who wait what became of their commits.
func (s *Stream) install(l *ledger.Ledger, at coordination.Revision, folded map[string]*Learned) {
	s.state.Lock()
	s.state.ledger = l
	s.state.life++
	s.resolve(folded)
	s.state.Unlock()
	s.wakeAll()
	s.advance()
}

// follow is one life of the ledger: bootstrap, then updates until it breaks. When
// only the watch broke, and etcd is still the same, it is opened again where it was.
func (s *Stream) follow(ctx context.Context) error {
	at, err := s.bootstrap(ctx)
	if err != nil {
		return err
	}
	s.Log.Info("log read", "revision", at)
	for err = nil; ; err = s.checkEtcd(ctx) {
		if err == nil {
			err = s.watch(ctx)
		}
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, ledger.ErrEra):
			s.forget()
			fallthrough
		case !errors.Is(err, coordination.ErrUnavailable):
			return fmt.Errorf("%w: %w", errMoved, err)
		}
		if err := pause.For(ctx, 20*time.Millisecond); err != nil {
			return err
		}
	}
}

// sameEtcd says whether a linearizable read of log/format can be of the etcd that this ledger comes from. One
// that is behind what was seen before the read, or has another era, is not; watching it
// from where we are would mix two histories.
func (s *Stream) sameEtcd(snap *coordination.Snapshot, before coordination.Revision) error {
	if snap.Revision < before {
		return fmt.Errorf("etcd is at revision %d, the log was at %d: %w", snap.Revision, before, ledger.ErrEra)
	}
	if ours := s.FormatValue(); ours != nil && !bytes.Equal(ours, snap.Items[0].Value) {
		return fmt.Errorf("log/format is %q: %w", snap.Items[0].Value, ledger.ErrEra)
	}
	return nil
}

// checkEtcd looks before a watch is opened again: it may be another etcd by now.
func (s *Stream) checkEtcd(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	before := s.applied()
	snap, err := s.KV.Get(ctx, s.Keys.Format())
	if err != nil {
		return fmt.Errorf("read format: %w", err)
	}
	return s.sameEtcd(&snap, before)
}

// watch applies updates until the watch ends, or is silent while somebody waits.
func (s *Stream) watch(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	w, err := s.KV.Watch(ctx, s.Keys.Log(), s.applied()+1)
	if err != nil {
		return fmt.Errorf("open watch: %w", err)
	}
	s.barriers.use(w)
	defer s.barriers.use(nil)
	for news := time.Now(); ; {
		select {
		case u, ok := <-w.Updates():
			news = time.Now()
			if !ok {
				return fmt.Errorf("watch closed: %w", coordination.ErrUnavailable)
			}
			if u.Err != nil {
				return u.Err
			}
			if err := s.apply(&u); err != nil {
				return err
			}
		case <-s.another:
			// However lively the watch is: one that the client opened again by itself may deliver another history.
			return fmt.Errorf("another etcd answers: %w", coordination.ErrUnavailable)
		case <-s.behind:
			if time.Since(news) < silenceMax {
				continue // it only lags: opened anew it would lag more, and with many who wait never deliver
			}
			return fmt.Errorf("watch is silent: %w", coordination.ErrUnavailable)
		}
	}
}

// apply folds an update, whole revisions at a time.
func (s *Stream) apply(u *coordination.Update) error {
	folded := map[string]*Learned{}
	touched := map[record.TopicPartition]struct{}{}
	all := false
	obs := ledger.Observer{
		Commit:    s.collect(folded),
		Touched:   func(tp record.TopicPartition) { touched[tp] = struct{}{} },
		TopicGone: func(*ledger.Topic) { all = true },
	}
	if err := s.fold(u, obs, folded); err != nil {
		return err
	}
	if all {
		s.wakeAll()
	} else {
		s.wake(touched)
	}
	s.advance()
	return nil
}

// fold applies and resolves under one hold of the lock: who sees the new revision also finds
// what was learnt with it, and never takes it for jumped over.
func (s *Stream) fold(u *coordination.Update, obs ledger.Observer, folded map[string]*Learned) error {
	s.state.Lock()
	defer s.state.Unlock()
	defer s.resolve(folded)
	l := s.state.ledger
	for events := u.Events; len(events) > 0; {
		rev, n := events[0].Revision, 1
		for n < len(events) && events[n].Revision == rev {
			n++
		}
		if err := l.Apply(rev, events[:n], obs); err != nil {
			s.state.ledger = nil
			return err
		}
		if s.Observe != nil {
			s.Observe(l)
		}
		events = events[n:]
	}
	l.Progress(u.Revision)
	return nil
}

// collect keeps what the fold decided about commits that somebody here waits for.
func (s *Stream) collect(folded map[string]*Learned) func(ulid.ULID, coordination.Revision, *ledger.Commit, [][]ledger.Outcome) {
	return func(id ulid.ULID, rev coordination.Revision, _ *ledger.Commit, outcomes [][]ledger.Outcome) {
		key := id.String()
		if !s.isExpected(key) {
			return
		}
		copied := make([][]ledger.Outcome, len(outcomes))
		for i := range outcomes {
			copied[i] = append([]ledger.Outcome(nil), outcomes[i]...)
		}
		folded[key] = &Learned{Revision: rev, Outcomes: copied}
	}
}

func (s *Stream) applied() coordination.Revision {
	s.state.RLock()
	defer s.state.RUnlock()
	if s.state.ledger == nil {
		return 0
	}
	return s.state.ledger.Revision()
}
