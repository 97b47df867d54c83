package memory

import (
	"context"
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/firnlog/firnlog/coordination"
)

// revisionsMax is how many revisions one Update holds at most, as etcd's.
const revisionsMax = 1000

// watch is one open watch: a place in the log that its goroutine moves forward. What was not
// received stays in the log, so that a watch which lags behind a compaction ends with
// ErrCompacted, as one of etcd does.
type watch struct {
	kv      *KV
	ctx     context.Context
	prefix  string
	from    coordination.Revision
	updates chan coordination.Update
	wake    chan struct{} // holds one signal at most

	// Guarded by kv.mu.
	next     coordination.Revision // the first one not delivered
	progress bool                  // was requested
}

// Watch implements coordination.KV.
func (kv *KV) Watch(ctx context.Context, prefix string, from coordination.Revision) (coordination.Watcher, error) {
	if err := alive(ctx); err != nil {
		return nil, fmt.Errorf("watch %q: %w", prefix, err)
	}
	w := &watch{
		kv:      kv,
		ctx:     ctx,
		prefix:  prefix,
		updates: make(chan coordination.Update),
		wake:    make(chan struct{}, 1),
	}
	kv.lock()
	if from <= 0 {
		from = kv.mu.rev + 1
	}
	w.from, w.next = from, from
	kv.mu.watches = append(kv.mu.watches, w)
	kv.mu.Unlock()
	go w.run()
	return w, nil
}

// Updates implements coordination.Watcher.
func (w *watch) Updates() <-chan coordination.Update { return w.updates }

// RequestProgress implements coordination.Watcher. It is dropped where etcd is sure to drop it:
// before the store has reached the first revision of the watch.
func (w *watch) RequestProgress(ctx context.Context) error {
	if err := alive(ctx); err != nil {
		return fmt.Errorf("request progress of %q: %w", w.prefix, err)
	}
	if err := alive(w.ctx); err != nil {
		return fmt.Errorf("request progress of %q: the watch has ended: %w", w.prefix, err)
	}
	w.kv.lock()
	defer w.kv.mu.Unlock()
	if !slices.Contains(w.kv.mu.watches, w) {
		return fmt.Errorf("request progress of %q: the watch has ended: %w", w.prefix, coordination.ErrUnavailable)
	}
	if w.kv.mu.rev >= w.from {
		w.progress = true
		w.signal()
	}
	return nil
}

func (w *watch) run() {
	defer close(w.updates)
	defer w.forget()
	for {
		u, ok := w.take()
		if !ok {
			select {
			case <-w.wake:
			case <-w.ctx.Done():
				return
			}
			continue
		}
		select {
		case w.updates <- u:
		case <-w.ctx.Done():
			return
		}
		if u.Err != nil {
			return
		}
	}
}

func (w *watch) signal() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

func (w *watch) wants(e coordination.Event) bool { return strings.HasPrefix(e.Key, w.prefix) }

func (w *watch) wantsAny(events []coordination.Event) bool {
	for _, e := range events {
		if w.wants(e) {
			return true
		}
	}
	return false
}

// skip passes over revisions that do not concern this watch: it is not behind for their sake.
func (w *watch) skip() {
	for _, r := range w.kv.mu.log[w.kv.logFrom(w.next):] {
		if w.wantsAny(r.events) {
			return
		}
		w.next = r.number + 1
	}
}

// take gives the next update, if there is one.
func (w *watch) take() (coordination.Update, bool) {
	kv := w.kv
	kv.mu.Lock()
	defer kv.mu.Unlock()
	if w.next < kv.mu.compacted {
		return coordination.Update{Err: fmt.Errorf("watch %q from %d: %w: up to %d", w.prefix, w.next, coordination.ErrCompacted, kv.mu.compacted)}, true
	}
	var u coordination.Update
	revisions := 0
	for _, r := range kv.mu.log[kv.logFrom(w.next):] {
		if revisions == revisionsMax {
			break
		}
		w.next = r.number + 1
		n := len(u.Events)
		for _, e := range r.events {
			if w.wants(e) {
				u.Events = append(u.Events, e)
			}
		}
		if len(u.Events) > n {
			u.Revision = r.number
			revisions++
		}
	}
	if len(u.Events) > 0 {
		return u, true
	}
	if w.progress {
		w.progress = false
		return coordination.Update{Revision: kv.mu.rev}, true
	}
	return coordination.Update{}, false
}

// logFrom is the place in the log of the first revision at or after rev.
func (kv *KV) logFrom(rev coordination.Revision) int {
	return sort.Search(len(kv.mu.log), func(i int) bool { return kv.mu.log[i].number >= rev })
}

func (w *watch) forget() {
	w.kv.mu.Lock()
	defer w.kv.mu.Unlock()
	w.kv.mu.watches = slices.DeleteFunc(w.kv.mu.watches, func(o *watch) bool { return o == w })
}
