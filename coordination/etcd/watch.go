package etcd

import (
	"context"
	"errors"
	"fmt"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/firnlog/firnlog/coordination"
)

// watcher is one watch on a stream of its own: etcd answers a request for progress only when all
// watches of a stream are synced, and to all of them.
//
// The library opens the stream again when it breaks, and goes on after the last revision it
// delivered, so that a restart of a member is not seen here. What ends it: a compacted
// revision, a member without leader, Close.
type watcher struct {
	prefix  string
	timeout time.Duration
	inner   clientv3.Watcher
	ctx     context.Context // ends with the watch
	cancel  context.CancelFunc
	updates chan coordination.Update
}

// Watch implements coordination.KV.
func (kv *KV) Watch(ctx context.Context, prefix string, from coordination.Revision) (coordination.Watcher, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("watch %q: %w: %w", prefix, coordination.ErrUnavailable, err)
	}
	w := &watcher{
		prefix:  prefix,
		timeout: kv.timeout,
		inner:   clientv3.NewWatcher(kv.client),
		updates: make(chan coordination.Update),
	}
	w.ctx, w.cancel = context.WithCancel(clientv3.WithRequireLeader(ctx))
	responses, err := w.open(from)
	if err != nil {
		w.close()
		return nil, fmt.Errorf("watch %q from %d: %w", prefix, from, join(ctx, coordination.ErrUnavailable, err))
	}
	go w.run(ctx, responses)
	return w, nil
}

// open waits until the server has the watch, for as long as a request may take. Without this
// bound it would wait for a server until the caller's context ends.
func (w *watcher) open(from coordination.Revision) (clientv3.WatchChan, error) {
	key, end := below(w.prefix)
	opened := make(chan clientv3.WatchChan, 1)
	go func() {
		opened <- w.inner.Watch(w.ctx, key, clientv3.WithRange(end), clientv3.WithRev(int64(max(from, 0))))
	}()
	timer := time.NewTimer(w.timeout)
	defer timer.Stop()
	select {
	case responses := <-opened:
		return responses, nil
	case <-timer.C:
		return nil, errors.New("no server took it in time")
	case <-w.ctx.Done():
		return nil, w.ctx.Err()
	}
}

// Updates implements coordination.Watcher.
func (w *watcher) Updates() <-chan coordination.Update { return w.updates }

// RequestProgress implements coordination.Watcher. The stream is found by what the watch's context
// carries, so it is asked with that context, and not with the caller's.
func (w *watcher) RequestProgress(ctx context.Context) error {
	rctx, cancel := context.WithTimeout(w.ctx, w.timeout)
	defer cancel()
	defer context.AfterFunc(ctx, cancel)()
	err := rctx.Err()
	if err == nil {
		err = w.inner.RequestProgress(rctx)
	}
	if err != nil {
		return fmt.Errorf("request progress of %q: %w", w.prefix, join(ctx, coordination.ErrUnavailable, err))
	}
	return nil
}

// run passes responses on until the watch ends.
func (w *watcher) run(caller context.Context, responses clientv3.WatchChan) {
	defer close(w.updates)
	defer w.close()
	for resp := range responses {
		u := update(resp)
		if u.Err != nil {
			u.Err = fmt.Errorf("watch %q: %w", w.prefix, u.Err)
		}
		select {
		case w.updates <- u:
		case <-caller.Done():
			return
		}
		if u.Err != nil {
			return
		}
	}
	select {
	case w.updates <- coordination.Update{Err: fmt.Errorf("watch %q: %w: it was closed", w.prefix, coordination.ErrUnavailable)}:
	case <-caller.Done():
	}
}

func (w *watcher) close() {
	w.cancel()
	_ = w.inner.Close() // its error is that of the stream, which has ended anyway
}

// update translates a response. The revision in the header of one with events may be newer than
// the events delivered; in a notification of progress it is what was delivered.
func update(resp clientv3.WatchResponse) coordination.Update {
	if err := resp.Err(); err != nil {
		return coordination.Update{Err: fmt.Errorf("%w: %w", readClass(err), err)}
	}
	u := coordination.Update{Revision: coordination.Revision(resp.Header.Revision)}
	if len(resp.Events) == 0 {
		return u
	}
	u.Events = make([]coordination.Event, len(resp.Events))
	for i, e := range resp.Events {
		u.Events[i] = coordination.Event{
			Key:      string(e.Kv.Key),
			Create:   coordination.Revision(e.Kv.CreateRevision),
			Revision: coordination.Revision(e.Kv.ModRevision),
		}
		if e.Type == clientv3.EventTypePut {
			u.Events[i].Value = present(e.Kv.Value)
		}
	}
	u.Revision = u.Events[len(u.Events)-1].Revision
	return u
}
