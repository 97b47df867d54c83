package broker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/firnlog/firnlog/core/pause"
	"github.com/firnlog/firnlog/objectstore"
)

// health answers /healthz (the process works) and /readyz (it can serve clients now, else what is wrong and since when).
//
// Nothing is asked of etcd or the store that is not asked anyway, but a barrier for each /readyz, and a GET every few seconds while the
// store's last answer is a failure: an instance that is sent no clients would else never find out that it is well again.
type health struct {
	b       *Broker
	store   outcome
	barrier outcome
	mu      struct {
		sync.Mutex
		draining bool
		serving  bool
		since    map[string]time.Time // of each part: when it became what it is
		was      map[string]bool
	}
}

// Part is one of the things that must be well.
type Part struct {
	OK    bool      `json:"ok"`
	Since time.Time `json:"since"`             // when this instance saw it become so
	Error string    `json:"error,omitempty"`   // what is wrong
	Hint  string    `json:"warning,omitempty"` // what will be
}

// Readiness is the answer of /readyz.
type Readiness struct {
	Status string          `json:"status"` // ok, or not ready
	Parts  map[string]Part `json:"parts"`
}

const (
	healthEvery   = 5 * time.Second
	readyTimeout  = 2 * time.Second
	storeFailing  = 10 * time.Second // a store that answers nothing but failures for so long is down
	certificateIn = 7 * 24 * time.Hour
	probeKey      = "readyz" // there is no such object
)

func newHealth(b *Broker) *health {
	h := &health{b: b}
	h.mu.since, h.mu.was = map[string]time.Time{}, map[string]bool{}
	return h
}

// outcome is how the last requests of a kind went.
type outcome struct {
	mu struct {
		sync.Mutex
		err     error
		failing time.Time // since when; zero: the last one went well, or there was none
	}
}

// note takes the end of a request. What the request itself was to blame for, or who asked gave up, says nothing.
func (o *outcome) note(err error) {
	if errors.Is(err, context.Canceled) {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case err == nil, errors.Is(err, objectstore.ErrNotFound), errors.Is(err, objectstore.ErrExists):
		o.mu.err, o.mu.failing = nil, time.Time{}
	case o.mu.failing.IsZero():
		o.mu.err, o.mu.failing = err, time.Now()
	default:
		o.mu.err = err
	}
}

func (o *outcome) read() (failing time.Duration, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.mu.err != nil {
		failing = time.Since(o.mu.failing)
	}
	return failing, o.mu.err
}

// run looks from time to time, so that since is right though nobody asks, and finds out when the store is back.
func (h *health) run(ctx context.Context) error {
	for {
		if _, err := h.store.read(); err != nil {
			probe, cancel := context.WithTimeout(ctx, readyTimeout)
			_, err := h.b.Store.Get(probe, probeKey, 0, 1)
			cancel()
			if ctx.Err() == nil {
				h.store.note(err)
			}
		}
		_, barrier := h.barrier.read()
		h.look(barrier)
		if err := pause.For(ctx, healthEvery); err != nil {
			return err
		}
	}
}

// stopping says that clients shall go elsewhere, whatever else is so.
func (h *health) stopping() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.mu.draining = true
}

func (h *health) set(serving, draining bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.mu.serving, h.mu.draining = serving, draining
}

// alive answers /healthz: that it answers is all that it says.
func (h *health) alive(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	fmt.Fprintln(w, "ok")
}

// ready answers /readyz.
func (h *health) ready(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), readyTimeout)
	defer cancel()
	var barrier error
	if h.b.stream.Ready() == nil {
		barrier = h.b.stream.Barrier(ctx)
	}
	answer := h.look(barrier)
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	if answer.Status != "ok" {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	_ = e.Encode(answer) // who asked may be gone
}

// look puts together what is known, and notes what has changed. barrier is how the last one went.
func (h *health) look(barrier error) Readiness {
	now := time.Now()
	serving, draining := h.state()
	out := Readiness{Status: "ok", Parts: map[string]Part{}}
	add := func(name string, err error, hint string) {
		p := Part{OK: err == nil, Hint: hint}
		if err != nil {
			p.Error, out.Status = err.Error(), "not ready"
		}
		out.Parts[name] = p
	}
	add("stream", h.b.stream.Ready(), "")
	add("etcd", barrier, "")
	add("store", h.storeError(), h.storeHint())
	add("listeners", unless(serving, "Kafka's listeners are not served yet"), "")
	add("draining", unless(!draining, "this instance stops: clients shall go elsewhere"), "")
	for _, c := range h.certificates(now) {
		add(c.name, c.err, c.hint)
	}
	h.date(out.Parts, now)
	return out
}

func (h *health) state() (serving, draining bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.mu.serving, h.mu.draining
}

func unless(well bool, message string) error {
	if well {
		return nil
	}
	return errors.New(message)
}

// storeError: a failure now and then is repeated and hurts nobody.
func (h *health) storeError() error {
	failing, err := h.store.read()
	if err == nil || failing < storeFailing {
		return nil
	}
	return fmt.Errorf("the object store answers no request: %w", err)
}

func (h *health) storeHint() string {
	if failing, err := h.store.read(); err != nil && failing < storeFailing {
		return "the last request failed: " + err.Error()
	}
	return ""
}

type certificate struct {
	name, hint string
	err        error
}

// certificates tells of those that have ended, or will soon, and of new files that are not in use.
func (h *health) certificates(now time.Time) (out []certificate) {
	for listener, own := range h.b.security.certificates {
		c := certificate{name: "certificate " + listener}
		end := own.NotAfter()
		switch left := end.Sub(now); {
		case left <= 0:
			c.err = fmt.Errorf("the certificate ended on %s: clients refuse it", end.UTC().Format(time.RFC3339))
		case left < certificateIn:
			c.hint = "the certificate ends on " + end.UTC().Format(time.RFC3339)
		}
		if err := own.Trouble(); err != nil {
			c.hint = strings.TrimPrefix(c.hint+"; ", "; ") + "its files cannot be used, what was read before is: " + err.Error()
		}
		out = append(out, c)
	}
	return out
}

// date fills in since when each part is what it is.
func (h *health) date(parts map[string]Part, now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for name, p := range parts {
		if was, known := h.mu.was[name]; !known || was != p.OK {
			h.mu.was[name], h.mu.since[name] = p.OK, now.UTC().Truncate(time.Millisecond)
		}
		p.Since = h.mu.since[name]
		parts[name] = p
	}
}

// gauge shows each part as it was at the last look.
func (h *health) gauge(emit func(v float64, values ...string)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for name, ok := range h.mu.was {
		v := 0.0
		if ok {
			v = 1
		}
		emit(v, name)
	}
}
