package coordination

import (
	"context"
	"fmt"
)

// Watch is KV's, as decided.
func (f *Fault) Watch(ctx context.Context, prefix string, from Revision) (Watcher, error) {
	if err := f.read(ctx, OpWatch, prefix); err != nil {
		return nil, err
	}
	f.mu.Lock()
	broken := f.mu.broken
	f.mu.Unlock()
	inner, cancel := context.WithCancel(ctx)
	watcher, err := f.kv.Watch(inner, prefix, from)
	if err != nil {
		cancel()
		return nil, err
	}
	w := &faultyWatcher{Watcher: watcher, fault: f, prefix: prefix, inner: inner, cancel: cancel, updates: make(chan Update)}
	go w.run(ctx, broken)
	return w, nil
}

type faultyWatcher struct {
	Watcher
	fault   *Fault
	prefix  string
	inner   context.Context // of the watch within; ends with this one
	cancel  context.CancelFunc
	updates chan Update
}

func (w *faultyWatcher) Updates() <-chan Update { return w.updates }

// RequestProgress that is decided to fail is dropped silently.
func (w *faultyWatcher) RequestProgress(ctx context.Context) error {
	if w.inner.Err() != nil {
		return fmt.Errorf("request progress of %q: %w: the watch has ended", w.prefix, ErrUnavailable)
	}
	if err := w.fault.read(ctx, OpProgress, w.prefix); err != nil {
		if ctx.Err() != nil {
			return fmt.Errorf("request progress of %q: %w: %w", w.prefix, ErrUnavailable, ctx.Err())
		}
		return nil
	}
	return w.Watcher.RequestProgress(ctx)
}

// run passes updates on, until one is decided to fail or all watches are broken. What was not
// received by then never is.
func (w *faultyWatcher) run(caller context.Context, broken <-chan struct{}) {
	defer close(w.updates)
	defer w.cancel()
	for {
		u, open := w.receive(caller, broken)
		if !open {
			return
		}
		if u.Err == nil {
			select {
			case w.updates <- u:
				continue
			case <-caller.Done():
				return
			case <-broken:
				u = w.end()
			}
		}
		w.cancel()
		select {
		case w.updates <- u:
		case <-caller.Done():
		}
		return
	}
}

func (w *faultyWatcher) receive(caller context.Context, broken <-chan struct{}) (Update, bool) {
	select {
	case u, open := <-w.Watcher.Updates():
		if open && u.Err == nil {
			if err := w.fault.read(caller, OpUpdate, w.prefix); err != nil {
				return Update{Err: err}, true
			}
		}
		return u, open
	case <-broken:
		return w.end(), true
	}
}

func (w *faultyWatcher) end() Update { return Update{Err: refuse(OpUpdate, w.prefix, nil)} }
