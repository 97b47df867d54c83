package auth

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"sync"
	"time"

	"github.com/MicahParks/keyfunc/v3"
	"github.com/golang-jwt/jwt/v5"
)

// KeySet is a JSON Web Key Set (RFC 7517) at a URL, or in a file. It is read when it is needed first, when it has become old, and when a
// token names a key that is not in it: at most once in RefetchMin, whatever tokens strangers send.
type KeySet struct {
	KeySetSettings
	mu struct {
		sync.Mutex
		keys    keyfunc.Keyfunc
		fetched time.Time     // that keys are of
		tried   time.Time     // of the last try
		busy    chan struct{} // closed when a try is over
	}
}

// KeySetSettings say where a set is and how long it counts.
type KeySetSettings struct {
	URL        string // https://, http:// or file:///
	Client     *http.Client
	Now        func() time.Time
	Log        *slog.Logger
	AgeMax     time.Duration // after which it is read again, at the next token
	RefetchMin time.Duration // between two reads
}

const (
	keySetBytesMax = 1 << 20
	keySetTimeout  = 10 * time.Second
)

// DefaultKeySet reads a set hourly, and for unknown keys at most every ten seconds.
func DefaultKeySet(url string, now func() time.Time, log *slog.Logger) *KeySet {
	client := &http.Client{Timeout: keySetTimeout, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return &KeySet{KeySetSettings: KeySetSettings{URL: url, Client: client, Now: now, Log: log, AgeMax: time.Hour, RefetchMin: 10 * time.Second}}
}

// key finds the key that a token names.
func (k *KeySet) key(ctx context.Context, token *jwt.Token) (any, error) {
	keys, fetched := k.current()
	if keys == nil || k.Now().Sub(fetched) >= k.AgeMax {
		keys = k.refetch(ctx)
	}
	if keys == nil {
		return nil, ErrNotNow
	}
	key, err := keys.Keyfunc(token)
	if err == nil {
		return key, nil
	}
	if again := k.refetch(ctx); again != nil {
		key, err = again.Keyfunc(token)
	}
	if err != nil {
		return nil, ErrDenied
	}
	return key, nil
}

func (k *KeySet) current() (keyfunc.Keyfunc, time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.mu.keys, k.mu.fetched
}

// refetch reads the set unless that was just done, and gives the newest there is. Whoever comes while somebody reads waits for it.
func (k *KeySet) refetch(ctx context.Context) keyfunc.Keyfunc {
	k.mu.Lock()
	if busy := k.mu.busy; busy != nil {
		k.mu.Unlock()
		select {
		case <-busy:
		case <-ctx.Done():
		}
		keys, _ := k.current()
		return keys
	}
	now := k.Now()
	if !k.mu.tried.IsZero() && now.Sub(k.mu.tried) < k.RefetchMin {
		defer k.mu.Unlock()
		return k.mu.keys
	}
	k.mu.tried = now
	done := make(chan struct{})
	k.mu.busy = done
	k.mu.Unlock()

	keys, err := k.fetch(ctx)

	k.mu.Lock()
	defer k.mu.Unlock()
	k.mu.busy = nil
	close(done)
	if err != nil {
		k.Log.Warn("signing keys cannot be read; those known stay", "error", err)
		return k.mu.keys
	}
	k.mu.keys, k.mu.fetched = keys, now
	return keys
}

// fetch goes on when the client that asked is gone: others wait for it.
func (k *KeySet) fetch(ctx context.Context) (keyfunc.Keyfunc, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), keySetTimeout)
	defer cancel()
	raw, err := k.read(ctx)
	if err != nil {
		return nil, fmt.Errorf("read key set: %w", err)
	}
	keys, err := keyfunc.NewJWKSetJSON(raw)
	if err != nil {
		return nil, errors.New("read key set: it is no JSON Web Key Set")
	}
	return keys, nil
}

func (k *KeySet) read(ctx context.Context) ([]byte, error) {
	u, err := url.Parse(k.URL)
	if err != nil {
		return nil, err
	}
	if u.Scheme == "file" {
		return os.ReadFile(u.Path)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, k.URL, nil)
	if err != nil {
		return nil, err
	}
	resp, err := k.Client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("answered %s", resp.Status)
	}
	raw, err := io.ReadAll(io.LimitReader(resp.Body, keySetBytesMax+1))
	if err == nil && len(raw) > keySetBytesMax {
		err = fmt.Errorf("more than %d bytes", keySetBytesMax)
	}
	return raw, err
}
