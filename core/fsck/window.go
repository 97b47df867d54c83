package fsck

import (
	"context"
	"errors"
	"fmt"

	"github.com/firnlog/firnlog/objectstore"
)

// pieceBytes is what one GET reads of a stretch, or of its neighbours in one object.
const pieceBytes = 4 << 20

// window holds a piece of one object: stretches that are read in the order of their positions share GETs.
type window struct {
	store objectstore.Store
	pace  func(ctx context.Context, bytes int64) error // told of each GET before it is made
	key   string
	at    int64 // where held begins
	held  []byte
	until int64 // what is wanted of the object ends here
}

// open moves to an object of which bytes up to until are wanted.
func (w *window) open(key string, until int64) {
	if key != w.key {
		w.key, w.held, w.at = key, nil, 0
	}
	w.until = until
}

// errShort: an object ends before what is referred to does.
var errShort = errors.New("the object ends before")

// bytes gives length bytes from position. They are valid until the next call.
func (w *window) bytes(ctx context.Context, position, length int64) ([]byte, error) {
	from := position - w.at
	if from < 0 || from > int64(len(w.held)) {
		w.at, w.held, from = position, nil, 0
	}
	if have := int64(len(w.held)) - from; have < length {
		missing := max(length-have, min(pieceBytes, w.until-position-have))
		if err := w.pace(ctx, missing); err != nil {
			return nil, err
		}
		more, err := w.store.Get(ctx, w.key, position+have, missing)
		if errors.Is(err, objectstore.ErrRange) || err == nil && int64(len(more)) < length-have {
			return nil, fmt.Errorf("%s: %d bytes at %d: %w", w.key, length, position, errShort)
		}
		if err != nil {
			return nil, fmt.Errorf("get %s: %w", w.key, err)
		}
		w.held = append(append(make([]byte, 0, have+int64(len(more))), w.held[from:]...), more...)
		w.at, from = position, 0
	}
	return w.held[from : from+length : from+length], nil
}
