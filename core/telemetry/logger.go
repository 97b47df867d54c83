package telemetry

import (
	"context"
	"io"
	"log/slog"
	"sync"
	"time"
)

// NewLogger writes lines of key=value to w. Of lines with one message it writes linesBurst at once and linesPerSecond after that, so that
// nobody from outside can fill a disk, by failing logins or otherwise; the next line says how many were left out. At level debug all
// are written.
func NewLogger(w io.Writer, level string) *slog.Logger {
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		l = slog.LevelInfo
	}
	text := slog.NewTextHandler(w, &slog.HandlerOptions{Level: l})
	if l <= slog.LevelDebug {
		return slog.New(text)
	}
	s := &spouts{}
	s.mu.by = map[string]*spout{}
	return slog.New(&limited{text, s})
}

const (
	linesBurst     = 50
	linesPerSecond = 5
	messagesMax    = 1000 // messages are literals of the program, some hundreds; what is beyond shares one allowance
)

// Dropped counts the lines that a logger of NewLogger, and all loggers made of it, left out.
func Dropped(log *slog.Logger) int64 {
	l, ok := log.Handler().(*limited)
	if !ok {
		return 0
	}
	l.spouts.mu.Lock()
	defer l.spouts.mu.Unlock()
	return l.spouts.mu.dropped
}

// limited is a handler that lets through so much of each message.
type limited struct {
	slog.Handler
	spouts *spouts
}

type spouts struct {
	mu struct {
		sync.Mutex
		by      map[string]*spout
		dropped int64
	}
}

// spout is what one message may still write.
type spout struct {
	left    float64
	at      time.Time
	dropped int64 // since the last line
}

// take says whether a line may be written, and how many were not before it.
func (s *spouts) take(message string, now time.Time) (yes bool, dropped int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.mu.by[message]
	if o == nil {
		if len(s.mu.by) >= messagesMax {
			message = ""
			o = s.mu.by[message]
		}
		if o == nil {
			o = &spout{left: linesBurst, at: now}
			s.mu.by[message] = o
		}
	}
	if passed := now.Sub(o.at).Seconds(); passed > 0 {
		o.left, o.at = min(o.left+passed*linesPerSecond, linesBurst), now
	}
	if o.left < 1 {
		o.dropped++
		s.mu.dropped++
		return false, 0
	}
	o.left--
	dropped, o.dropped = o.dropped, 0
	return true, dropped
}

// Handle is slog.Handler's.
func (l *limited) Handle(ctx context.Context, r slog.Record) error {
	yes, dropped := l.spouts.take(r.Message, r.Time)
	if !yes {
		return nil
	}
	if dropped > 0 {
		r = r.Clone()
		r.AddAttrs(slog.Int64("dropped", dropped))
	}
	return l.Handler.Handle(ctx, r)
}

// WithAttrs is slog.Handler's.
func (l *limited) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &limited{l.Handler.WithAttrs(attrs), l.spouts}
}

// WithGroup is slog.Handler's.
func (l *limited) WithGroup(name string) slog.Handler {
	return &limited{l.Handler.WithGroup(name), l.spouts}
}
