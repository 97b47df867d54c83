package queue

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"github.com/aws/aws-lambda-go/events"
)

// Mapping is an event source mapping: it feeds a function from a queue.
//
//	take the first message, and more until the batch is full, the window is over or the event would be larger than 6 MB
//	invoke. The function failed, or was not run: nothing is deleted, all comes again after the visibility time-out
//	        it answered: all is deleted but what it reports as failed (with ReportFailures)
//	        its report names a message that was not in the batch, or cannot be read: nothing is deleted, as in Lambda
type Mapping struct {
	Queue    *Queue
	BatchMax int           // messages an invocation
	Window   time.Duration // how long a batch is gathered from its first message on
	// ReportFailures: the answer says which messages failed (FunctionResponseTypes: ReportBatchItemFailures).
	ReportFailures bool
	// Pollers are how many invocations there may be at a time.
	Pollers int
	// Invoke runs the function. An error: it failed, or was not run.
	Invoke func(ctx context.Context, event []byte) (answer []byte, err error)
	Log    *slog.Logger
}

// Limits of a mapping in Lambda.
const (
	batchMax   = 10_000
	windowMax  = 300 * time.Second
	eventMax   = 6<<20 - 64<<10
	smallBatch = 10 // more need a window of a second
)

// ErrSettings: Lambda would refuse these.
var ErrSettings = errors.New("event source mapping")

// Validate reports what Lambda would refuse.
func (m *Mapping) Validate() error {
	switch {
	case m.BatchMax < 1 || m.BatchMax > batchMax:
		return fmt.Errorf("%w: batch size %d: want 1 to %d", ErrSettings, m.BatchMax, batchMax)
	case m.Window < 0 || m.Window > windowMax:
		return fmt.Errorf("%w: window %v: want 0 to %v", ErrSettings, m.Window, windowMax)
	case m.BatchMax > smallBatch && m.Window < time.Second:
		return fmt.Errorf("%w: a batch size above %d needs a window of a second or more", ErrSettings, smallBatch)
	case m.Pollers < 1:
		return fmt.Errorf("%w: %d pollers: want one at least", ErrSettings, m.Pollers)
	}
	return nil
}

// Run feeds the function until ctx ends; what is on its way is waited for.
func (m *Mapping) Run(ctx context.Context) error {
	if err := m.Validate(); err != nil {
		return err
	}
	var pollers sync.WaitGroup
	for range m.Pollers {
		pollers.Go(func() {
			for ctx.Err() == nil {
				if batch := m.gather(ctx); len(batch) > 0 {
					m.deliver(context.WithoutCancel(ctx), batch)
				}
			}
		})
	}
	pollers.Wait()
	return nil
}

// gather waits for a batch; none: ctx has ended, or another poller was faster. At the end of ctx what was gathered comes again
// after its time-out.
func (m *Mapping) gather(ctx context.Context) []Message {
	if m.Queue.Wait(ctx) != nil {
		return nil
	}
	batch, bytes := m.Queue.Receive(m.BatchMax, eventMax, 0)
	if len(batch) == 0 {
		return nil
	}
	window, cancel := context.WithTimeout(ctx, m.Window)
	defer cancel()
	for len(batch) < m.BatchMax && m.Queue.Wait(window) == nil {
		more, n := m.Queue.receiveWithin(m.BatchMax-len(batch), eventMax-bytes)
		if len(more) == 0 && n < 0 {
			break // the next message does not fit
		}
		batch, bytes = append(batch, more...), bytes+max(n, 0)
	}
	if ctx.Err() != nil {
		return nil
	}
	return batch
}

// receiveWithin receives only what fits; -1 bytes: something is there, and it does not.
func (q *Queue) receiveWithin(most, bytesMax int) ([]Message, int) {
	now := q.Now()
	q.mu.Lock()
	fits := true
	for _, e := range q.mu.order {
		if !e.deleted && !e.visible.After(now) {
			fits = e.size <= bytesMax
			break
		}
	}
	q.mu.Unlock()
	if !fits {
		return nil, -1
	}
	return q.Receive(most, bytesMax, 0)
}

// deliver invokes the function with a batch and deletes what it has dealt with.
func (m *Mapping) deliver(ctx context.Context, batch []Message) {
	event, err := json.Marshal(eventOf(m.Queue.Name, batch))
	if err != nil {
		m.Log.Error("event of a queue", "queue", m.Queue.Name, "error", err)
		return
	}
	answer, err := m.Invoke(ctx, event)
	if err != nil {
		m.Log.Warn("the function failed: its batch comes again", "queue", m.Queue.Name, "messages", len(batch), "error", err)
		return
	}
	failed := map[string]bool{}
	if m.ReportFailures {
		if failed, err = failures(answer, batch); err != nil {
			m.Log.Warn("the function's answer: its batch comes again", "queue", m.Queue.Name, "messages", len(batch), "error", err)
			return
		}
	}
	for i := range batch {
		if failed[batch[i].ID] {
			continue
		}
		if err := m.Queue.Delete(batch[i].Handle); err != nil {
			m.Log.Warn("a message took longer than the visibility time-out and comes again", "queue", m.Queue.Name, "message", batch[i].ID)
		}
	}
	if len(failed) > 0 {
		m.Log.Warn("messages failed and come again", "queue", m.Queue.Name, "messages", len(failed), "of", len(batch))
	}
}

// failures reads which messages of a batch failed.
func failures(answer []byte, batch []Message) (map[string]bool, error) {
	var r struct {
		Failures []struct {
			ID string `json:"itemIdentifier"`
		} `json:"batchItemFailures"`
	}
	if len(answer) > 0 {
		if err := json.Unmarshal(answer, &r); err != nil {
			return nil, fmt.Errorf("read batchItemFailures: %w", err)
		}
	}
	known := map[string]bool{}
	for i := range batch {
		known[batch[i].ID] = true
	}
	failed := map[string]bool{}
	for _, f := range r.Failures {
		if !known[f.ID] {
			return nil, fmt.Errorf("batchItemFailures names %q, which was not in the batch", f.ID)
		}
		failed[f.ID] = true
	}
	return failed, nil
}

// region is where everything on this machine is.
const region = "local"

// arn names a queue as Lambda tells it.
func arn(name string) string { return "arn:aws:sqs:" + region + ":" + account + ":" + name }

func eventOf(queue string, batch []Message) *events.SQSEvent {
	e := &events.SQSEvent{}
	for i := range batch {
		m := &batch[i]
		r := events.SQSMessage{
			MessageId: m.ID, ReceiptHandle: m.Handle, Body: m.Body, Md5OfBody: digest([]byte(m.Body)), EventSource: "aws:sqs", EventSourceARN: arn(queue), AWSRegion: region,
			Attributes: systemAttributes(m), MessageAttributes: map[string]events.SQSMessageAttribute{},
		}
		for name, a := range m.Attributes {
			r.MessageAttributes[name] = events.SQSMessageAttribute{StringValue: a.StringValue, BinaryValue: a.BinaryValue, DataType: a.DataType, StringListValues: []string{}, BinaryListValues: [][]byte{}}
		}
		e.Records = append(e.Records, r)
	}
	return e
}

// systemAttributes are those that SQS itself gives to a message.
func systemAttributes(m *Message) map[string]string {
	return map[string]string{
		"ApproximateReceiveCount": strconv.Itoa(m.Receives), "SentTimestamp": strconv.FormatInt(m.Sent.UnixMilli(), 10),
		"ApproximateFirstReceiveTimestamp": strconv.FormatInt(m.First.UnixMilli(), 10), "SenderId": account,
	}
}
