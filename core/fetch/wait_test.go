package fetch_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/coretest"
	"github.com/firnlog/firnlog/core/fetch"
	"github.com/firnlog/firnlog/core/record"
)

// lag lets an instance's watch come late by d.
func lag(f *fixture, who string, d time.Duration) {
	f.FaultKV(func(name string, op coordination.Op, _ string) coordination.Decision {
		if name == who && op == coordination.OpUpdate {
			return coordination.Decision{Delay: d}
		}
		return coordination.Decision{}
	})
}

// Anomaly 9, I11: what was acknowledged anywhere is seen through any instance, at once.
func TestAnomaly9_ReadAfterAcknowledgeOnAnInstanceThatLags(t *testing.T) {
	for name, read := range map[string]func(t *testing.T, f *fixture) error{
		"fetch at the end": func(t *testing.T, f *fixture) error {
			if r := f.b.Read(f.tp, 1); r.Err != nil || len(r.Batches) == 0 {
				return fmt.Errorf("%d bytes, %w", len(r.Batches), r.Err)
			}
			return nil
		},
		"fetch beyond what it knows": func(t *testing.T, f *fixture) error {
			return f.b.Read(f.tp, 2).Err
		},
		"bounds": func(t *testing.T, f *fixture) error {
			if b, err := f.b.Fetch.Bounds(t.Context(), f.tp); err != nil || b.HighWatermark != 2 {
				return fmt.Errorf("%+v, %w", b, err)
			}
			return nil
		},
		"by time": func(t *testing.T, f *fixture) error {
			if found, err := f.b.Fetch.AtTime(t.Context(), f.tp, time.Now().Add(-time.Minute).UnixMilli(), false); err != nil || found.Offset != 0 {
				return fmt.Errorf("%+v, %w", found, err)
			}
			return nil
		},
		"a topic made just now": func(t *testing.T, f *fixture) error {
			young := record.TopicPartition{Topic: f.CreateTopic("young", 1)}
			return f.b.Read(young, 0).Err
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, f *fixture) {
				f.a.MustProduce(coretest.Plain(f.tp, "seen"))
				f.b.Barrier()
				lag(f, "b", 100*time.Millisecond)
				f.a.MustProduce(coretest.Plain(f.tp, "new"))
				if err := read(t, f); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

func TestFetch_WaitsForACommitOfAnotherInstanceWithoutARequest(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		r := request(f.tp, f.part(1))
		r.WaitMax = time.Hour
		answer := make(chan []fetch.Result, 1)
		f.Transcript()
		go func() { answer <- f.b.Fetch.Fetch(t.Context(), r) }()
		time.Sleep(time.Minute)
		synctest.Wait()
		if lines := f.Transcript(); len(lines) != 0 {
			t.Errorf("requests while waiting: %q", lines)
		}
		start := time.Now()
		f.a.MustProduce(coretest.Plain(f.part(1), "x"))
		got := <-answer
		if len(got[1].Batches) == 0 || time.Since(start) > time.Second {
			t.Errorf("%d bytes after %v", len(got[1].Batches), time.Since(start))
		}
	})
}

func TestFetch_AnEmptyAnswerComesAtTheEndOfItsWaitBehindABarrier(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		r := request(f.tp)
		r.WaitMax = 500 * time.Millisecond
		f.Transcript()
		start := time.Now()
		got := f.b.Fetch.Fetch(t.Context(), r)
		if got[0].Err != nil || len(got[0].Batches) != 0 || time.Since(start) != r.WaitMax {
			t.Errorf("%+v after %v", got[0], time.Since(start))
		}
		if n := count(f.Transcript(), "b kv get log/format"); n != 1 {
			t.Errorf("%d barriers, want 1", n)
		}
	})
}

func TestFetch_WaitsForTheMinimumOfBytes(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		r := request(f.tp)
		r.WaitMax, r.BytesMin = time.Hour, 2500
		answer := make(chan []fetch.Result, 1)
		go func() { answer <- f.b.Fetch.Fetch(t.Context(), r) }()
		for i := range 3 {
			time.Sleep(time.Second)
			select {
			case <-answer:
				t.Fatalf("answered after %d of 3 batches", i)
			default:
			}
			f.a.MustProduce(coretest.Plain(f.tp, strings.Repeat("x", 1000)))
		}
		if got := <-answer; len(got[0].Batches) < 2500 {
			t.Errorf("%d bytes", len(got[0].Batches))
		}
	})
}
