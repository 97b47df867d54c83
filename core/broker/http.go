package broker

import (
	"context"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// webServer serves health, metrics and, on all other paths, HTTP clients. Requests that wait for records end with ctx.
func (b *Broker) webServer(ctx context.Context) *http.Server {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", b.health.alive)
	mux.HandleFunc("GET /readyz", b.health.ready)
	mux.Handle("GET /metrics", promhttp.HandlerFor(b.metrics.Registry, promhttp.HandlerOpts{}))
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/healthz", "/readyz", "/metrics":
			mux.ServeHTTP(w, r)
		default: // past the mux, which would redirect paths with escaped names
			if !b.forConsole(w, r) {
				b.rest.ServeHTTP(w, r)
			}
		}
	})
	return &http.Server{
		Handler: handler, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute,
		BaseContext: func(net.Listener) context.Context { return ctx },
		ErrorLog:    log.New(httpErrors{b.Log.With("part", "http")}, "", 0),
	}
}

// httpErrors is told what net/http complains of: above all handshakes of clients that cannot come in. They have one message, and what
// went wrong beside it, so that strangers fill no disk: core/telemetry lets so many lines of a message through.
type httpErrors struct{ log *slog.Logger }

func (h httpErrors) Write(line []byte) (int, error) {
	h.log.Warn("HTTP connection failed", "error", strings.TrimSpace(string(line)))
	return len(line), nil
}

func (b *Broker) serveHTTP(ctx context.Context) error {
	defer context.AfterFunc(ctx, func() { b.web.Close() })()
	if err := b.serveWeb(); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve HTTP: %w", err)
	}
	return nil
}

// hostName is what clients can reach a listener by that listens on all addresses.
func hostName() string {
	if name, err := os.Hostname(); err == nil {
		return name
	}
	return "localhost"
}
