// Package queue is a queue on this machine that behaves as SQS does towards who sends to it, and towards the function that it feeds.
//
//	SendMessage ─► Queue ─► Mapping gathers a batch (size, window, 6 MB) ─► function is invoked with an SQS event
//	                 ▲                                                        │ batchItemFailures, an error, nothing
//	                 └── visible again after its time-out ◄── not deleted ◄───┘
//	                          received too often ─► dead-letter queue
//
// As in SQS: delivery at least once; a message that is received is invisible for the visibility time-out and comes again unless it is
// deleted; order is that of sending only as long as nothing fails. Messages live in memory and end with the process.
//
// Owns: queues, event source mappings (mapping.go), the JSON protocol of SQS as far as sending, receiving and looking goes (api.go).
// Does not own: running functions. FIFO queues are not offered.
package queue

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Settings of a queue.
type Settings struct {
	Name string
	// Visibility is how long a received message is hidden from others.
	Visibility time.Duration
	// ReceivesMax: who was received so often goes to DeadLetter instead of being received again; 0: never.
	ReceivesMax int
	DeadLetter  *Queue
	Now         func() time.Time
	NewID       func() string
}

// Attribute is one that a sender gives to a message: text, or bytes.
type Attribute struct {
	DataType    string
	StringValue *string `json:",omitempty"`
	BinaryValue []byte  `json:",omitempty"`
}

// Message is one as it is received.
type Message struct {
	ID         string
	Handle     string // of this receive; what Delete takes
	Body       string
	Attributes map[string]Attribute
	Sent       time.Time
	First      time.Time // received
	Receives   int
}

// BytesMax is how large a message may be, with its attributes: SQS's limit.
const BytesMax = 1 << 20

// eventOverhead is about what an event says of a message beside body and attributes.
const eventOverhead = 700

// Errors, asked for with errors.Is.
var (
	// ErrTooLarge: the message has more than BytesMax.
	ErrTooLarge = errors.New("message is larger than 1 MiB")
	// ErrHandle: no message was received under this handle, or it was received again since.
	ErrHandle = errors.New("receipt handle is not valid")
)

// Queue is one queue.
type Queue struct {
	Settings
	mu struct {
		sync.Mutex
		order   []*entry // in the order of sending; deleted ones are left out now and then
		deleted int
		handles map[string]*entry
		changed chan struct{} // closed when something was sent
	}
}

// entry is a message in its queue.
type entry struct {
	Message
	visible time.Time
	size    int // in an event, about
	deleted bool
}

// New makes an empty queue.
func New(s Settings) *Queue {
	q := &Queue{Settings: s}
	q.mu.handles, q.mu.changed = map[string]*entry{}, make(chan struct{})
	return q
}

// Send takes a message that is visible after delay, and gives its id.
func (q *Queue) Send(body string, attributes map[string]Attribute, delay time.Duration) (Message, error) {
	now := q.Now()
	size := len(body)
	for name, a := range attributes {
		size += len(name) + len(a.DataType) + len(a.BinaryValue)
		if a.StringValue != nil {
			size += len(*a.StringValue)
		}
	}
	if size > BytesMax {
		return Message{}, fmt.Errorf("send to %s: %w", q.Name, ErrTooLarge)
	}
	m := Message{ID: q.NewID(), Body: body, Attributes: attributes, Sent: now}
	q.add(&entry{Message: m, visible: now.Add(delay), size: encodedLen(body) + encodedLen(attributes) + eventOverhead})
	return m, nil
}

func encodedLen(v any) int {
	b, _ := json.Marshal(v) // text and bytes
	return len(b)
}

func (q *Queue) add(e *entry) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.mu.order = append(q.mu.order, e)
	close(q.mu.changed)
	q.mu.changed = make(chan struct{})
}

// Receive gives messages that are visible, oldest first: at most so many, and of at most so many bytes in an event, but one at least. They are
// hidden from now on for the visibility time-out, or for hide if that is not 0.
func (q *Queue) Receive(most, bytesMax int, hide time.Duration) (out []Message, bytes int) {
	if hide == 0 {
		hide = q.Visibility
	}
	now := q.Now()
	var dead []*entry
	q.mu.Lock()
	for _, e := range q.mu.order {
		if len(out) == most {
			break
		}
		if e.deleted || e.visible.After(now) {
			continue
		}
		if q.DeadLetter != nil && q.ReceivesMax > 0 && e.Receives >= q.ReceivesMax {
			q.drop(e)
			dead = append(dead, &entry{Message: e.Message, visible: now, size: e.size})
			continue
		}
		if len(out) > 0 && bytes+e.size > bytesMax {
			break
		}
		bytes += e.size
		q.hide(e, now, hide)
		out = append(out, e.Message)
	}
	q.mu.Unlock()
	for _, e := range dead {
		e.Receives = 0
		q.DeadLetter.add(e)
	}
	return out, bytes
}

// hide gives a message to a receiver. The caller holds the lock.
func (q *Queue) hide(e *entry, now time.Time, hide time.Duration) {
	delete(q.mu.handles, e.Handle)
	if e.Receives == 0 {
		e.First = now
	}
	e.Receives++
	e.Handle, e.visible = q.NewID(), now.Add(hide)
	q.mu.handles[e.Handle] = e
}

// drop takes a message out. The caller holds the lock.
func (q *Queue) drop(e *entry) {
	delete(q.mu.handles, e.Handle)
	e.deleted = true
	q.mu.deleted++
	if q.mu.deleted > 64 && 2*q.mu.deleted > len(q.mu.order) {
		var kept []*entry
		for _, e := range q.mu.order {
			if !e.deleted {
				kept = append(kept, e)
			}
		}
		q.mu.order, q.mu.deleted = kept, 0
	}
}

// Delete ends a message that was received under this handle.
func (q *Queue) Delete(handle string) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	e := q.mu.handles[handle]
	if e == nil {
		return fmt.Errorf("delete from %s: %w", q.Name, ErrHandle)
	}
	q.drop(e)
	return nil
}

// Counts says how many messages may be received now, how many are with a receiver or delayed.
func (q *Queue) Counts() (visible, hidden int) {
	now := q.Now()
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, e := range q.mu.order {
		switch {
		case e.deleted:
		case e.visible.After(now):
			hidden++
		default:
			visible++
		}
	}
	return visible, hidden
}

// Wait waits until there may be something to receive, or for the end of ctx.
func (q *Queue) Wait(ctx context.Context) error {
	for {
		next, changed := q.next()
		wait := time.Hour // nothing is there: only a message that is sent ends it
		if !next.IsZero() {
			wait = next.Sub(q.Now())
		}
		if wait <= 0 {
			return ctx.Err()
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case <-changed:
			timer.Stop()
		case <-timer.C:
		}
	}
}

// next is when the first message is visible; zero: there is none.
func (q *Queue) next() (at time.Time, changed <-chan struct{}) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, e := range q.mu.order {
		if !e.deleted && (at.IsZero() || e.visible.Before(at)) {
			at = e.visible
		}
	}
	return at, q.mu.changed
}

// digest is the MD5 by which SDKs check that a body came through.
func digest(b []byte) string {
	sum := md5.Sum(b)
	return hex.EncodeToString(sum[:])
}
