package queue_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/firnlog/firnlog/localstack/queue"
)

// scene is a queue with a dead-letter queue and a function that notes what it gets.
type scene struct {
	*queue.Queue
	dead    *queue.Queue
	mapping queue.Mapping
	begin   time.Time
	mu      sync.Mutex
	seen    []string // bodies of each invocation, with the second it came in
	answer  func(e *events.SQSEvent) (string, error)
}

func newScene(t *testing.T) *scene {
	t.Helper()
	n := 0
	s := &scene{begin: time.Now(), answer: func(*events.SQSEvent) (string, error) { return `{"batchItemFailures":[]}`, nil }}
	var mu sync.Mutex
	newID := func() string { mu.Lock(); defer mu.Unlock(); n++; return fmt.Sprint("id", n) }
	s.dead = queue.New(queue.Settings{Name: "dead", Visibility: time.Minute, Now: time.Now, NewID: newID})
	s.Queue = queue.New(queue.Settings{Name: "q", Visibility: 30 * time.Second, ReceivesMax: 3, DeadLetter: s.dead, Now: time.Now, NewID: newID})
	s.mapping = queue.Mapping{Queue: s.Queue, BatchMax: 4, Window: 2 * time.Second, ReportFailures: true, Pollers: 1, Invoke: s.invoke, Log: slog.New(slog.DiscardHandler)}
	return s
}

func (s *scene) invoke(_ context.Context, raw []byte) ([]byte, error) {
	var e events.SQSEvent
	if err := json.Unmarshal(raw, &e); err != nil {
		return nil, err
	}
	text := fmt.Sprintf("%ds", int(time.Since(s.begin).Seconds()))
	for _, r := range e.Records {
		text += " " + r.Body[:min(len(r.Body), 8)]
	}
	s.mu.Lock()
	s.seen = append(s.seen, text)
	s.mu.Unlock()
	answer, err := s.answer(&e)
	return []byte(answer), err
}

// run lets the mapping run for so long while bodies are sent, and wants these invocations.
func (s *scene) run(t *testing.T, d time.Duration, bodies string, want ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	over := make(chan error, 1)
	go func() { over <- s.mapping.Run(ctx) }()
	synctest.Wait()
	for body := range strings.FieldsSeq(bodies) {
		if _, err := s.Send(body, nil, 0); err != nil {
			t.Fatal(err)
		}
	}
	if err := <-over; err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(s.seen, want) {
		t.Errorf("invocations:\n%s\nwant:\n%s", strings.Join(s.seen, "\n"), strings.Join(want, "\n"))
	}
}

func TestMapping_ABatchIsFullOrItsWindowIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		s.run(t, 10*time.Minute, "a b c d e", "0s a b c d", "2s e")
		if visible, hidden := s.Counts(); visible+hidden != 0 {
			t.Errorf("%d and %d messages are left", visible, hidden)
		}
	})
}

func TestMapping_OnlyWhatFailedComesAgainAndAtLastGoesToTheDeadLetters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		s.answer = func(e *events.SQSEvent) (string, error) {
			for _, r := range e.Records {
				if r.Body == "bad" {
					return `{"batchItemFailures":[{"itemIdentifier":"` + r.MessageId + `"}]}`, nil
				}
			}
			return `{"batchItemFailures":[]}`, nil
		}
		s.run(t, 10*time.Minute, "a bad c", "2s a bad c", "32s bad", "62s bad")
		got, _ := s.dead.Receive(10, 1<<20, 0)
		if len(got) != 1 || got[0].Body != "bad" || got[0].Receives != 1 {
			t.Errorf("dead letters: %+v", got)
		}
	})
}

func TestMapping_WhatIsNotUnderstoodFailsTheWholeBatch(t *testing.T) {
	for name, answer := range map[string]func(*events.SQSEvent) (string, error){
		"an error": func(*events.SQSEvent) (string, error) { return "", errors.New("throttled") },
		"an unknown message": func(*events.SQSEvent) (string, error) {
			return `{"batchItemFailures":[{"itemIdentifier":"other"}]}`, nil
		},
		"no name": func(*events.SQSEvent) (string, error) { return `{"batchItemFailures":[{}]}`, nil },
		"no JSON": func(*events.SQSEvent) (string, error) { return `{`, nil },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newScene(t)
				calls := 0
				s.answer = func(e *events.SQSEvent) (string, error) {
					if calls++; calls == 1 {
						return answer(e)
					}
					return "", nil // no answer is a success
				}
				s.run(t, time.Minute, "a b", "2s a b", "32s a b")
				if visible, hidden := s.Counts(); visible+hidden != 0 {
					t.Errorf("%d and %d messages are left", visible, hidden)
				}
			})
		})
	}
}

func TestMapping_WithoutReportsAnAnswerIsASuccess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		s.mapping.ReportFailures = false
		s.answer = func(e *events.SQSEvent) (string, error) {
			return `{"batchItemFailures":[{"itemIdentifier":"` + e.Records[0].MessageId + `"}]}`, nil
		}
		s.run(t, 2*time.Minute, "a", "2s a")
	})
}

func TestMapping_AnEventStaysBelow6MB(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		s.mapping.BatchMax = 100
		largest := 0
		invoke := s.mapping.Invoke
		s.mapping.Invoke = func(ctx context.Context, event []byte) ([]byte, error) {
			largest = max(largest, len(event))
			return invoke(ctx, event)
		}
		var all, want []string
		for i := range 8 {
			all = append(all, fmt.Sprintf("m%06d-", i)+strings.Repeat("x", 1000<<10))
			if i%6 == 0 {
				want = append(want, []string{"0s", "2s"}[i/6])
			}
			want[i/6] += fmt.Sprintf(" m%06d-", i)
		}
		s.run(t, time.Minute, strings.Join(all, " "), want...)
		for _, body := range all { // and where all of it waits already
			if _, err := s.Send(body, nil, 0); err != nil {
				t.Fatal(err)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := s.mapping.Run(ctx); err != nil || largest > 6<<20 {
			t.Errorf("an event of %d bytes, %v", largest, err)
		}
	})
}

// A message that is still with its receiver when its time is over comes again, and the late receiver cannot delete it any more.
func TestQueue_ADelayAndAVisibilityTimeoutHideAMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		if _, err := s.Send("late", nil, 5*time.Second); err != nil {
			t.Fatal(err)
		}
		if got, _ := s.Receive(10, 1<<20, 0); len(got) != 0 {
			t.Errorf("received before its delay: %v", got)
		}
		time.Sleep(5 * time.Second)
		first, _ := s.Receive(10, 1<<20, 0)
		if again, _ := s.Receive(10, 1<<20, 0); len(first) != 1 || len(again) != 0 {
			t.Errorf("received %d, then %d while it is hidden", len(first), len(again))
		}
		time.Sleep(30 * time.Second)
		again, _ := s.Receive(10, 1<<20, 0)
		if len(again) != 1 || again[0].ID != first[0].ID || again[0].Receives != 2 || again[0].Sent != first[0].Sent {
			t.Fatalf("received again: %+v", again)
		}
		if err := s.Delete(first[0].Handle); !errors.Is(err, queue.ErrHandle) {
			t.Errorf("delete with the handle before: %v", err)
		}
		if err := s.Delete(again[0].Handle); err != nil {
			t.Error(err)
		}
		if _, err := s.Send(strings.Repeat("x", queue.BytesMax+1), nil, 0); !errors.Is(err, queue.ErrTooLarge) {
			t.Errorf("too large: %v", err)
		}
	})
}

func TestMapping_RefusesWhatLambdaWould(t *testing.T) {
	for _, change := range []func(*queue.Mapping){
		func(m *queue.Mapping) { m.BatchMax = 10_001 }, func(m *queue.Mapping) { m.BatchMax = 0 },
		func(m *queue.Mapping) { m.Window = 301 * time.Second }, func(m *queue.Mapping) { m.BatchMax, m.Window = 11, 0 }, func(m *queue.Mapping) { m.Pollers = 0 },
	} {
		s := newScene(t)
		change(&s.mapping)
		if err := s.mapping.Run(t.Context()); !errors.Is(err, queue.ErrSettings) {
			t.Errorf("%+v: %v", s.mapping, err)
		}
	}
}
