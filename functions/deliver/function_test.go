package main

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/deliver"
)

func TestDeliver_InOrderOnceAndWhereItLeftOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, 2)
		s.write(0, "a", "b", "c", "d", "e")
		s.write(1, "x")
		s.wants(time.Minute, `{"version":"0","source":"aws.events","detail-type":"Scheduled Event","detail":{}}`, "6 delivered, 0 dead, 0 failed, lag 0")
		s.took("t-0", "a", "b", "c", "d", "e")
		s.took("t-1", "x")
		time.Sleep(time.Hour)
		s.write(1, "y")
		s.wants(time.Minute, ``, "1 delivered, 0 dead, 0 failed, lag 0")
		s.took("t-1", "x", "y")
		if s.user.mu.calls != 4 {
			t.Errorf("%d invocations", s.user.mu.calls)
		}
	})
}

func TestDeliver_ThePoisonRecordGoesToTheDeadLettersWithItsReason(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, 1)
		s.user.behave = failing("poison")
		s.write(0, "a", "b", "poison", "d", "e")
		s.wants(time.Minute, ``, "4 delivered, 1 dead, 4 failed, lag 0")
		s.took("t-0", "a", "b", "d", "e")
		letters := s.letters()
		if len(letters) != 1 {
			t.Fatalf("%v", letters)
		}
		for name, want := range map[string]string{"value": "poison", deliver.HeaderTopic: "t", deliver.HeaderPartition: "0", deliver.HeaderOffset: "2", deliver.HeaderGroup: "g",
			deliver.HeaderFunction: "user", deliver.HeaderReason: deliver.ReasonFunctionError, deliver.HeaderError: "poison", deliver.HeaderAttempts: "4"} {
			if letters[0][name] != want {
				t.Errorf("%s is %q, want %q", name, letters[0][name], want)
			}
		}
	})
}

func TestDeliver_WithoutADeadLetterTopicItsPartitionStandsStillAndOthersGoOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, 2)
		s.set.DeadLetter = ""
		s.user.behave = failing("poison")
		s.write(0, "a", "poison", "c")
		s.write(1, "x")
		r, err := s.run(time.Minute, ``)
		if err != nil || r.Delivered != 2 || r.Lag != 2 || !strings.Contains(r.Blocked["t-0"], "offset 1") {
			t.Errorf("%+v, %v", r, err)
		}
		s.user.behave = nil
		s.wants(time.Minute, ``, "2 delivered, 0 dead, 0 failed, lag 0")
		s.took("t-0", "a", "poison", "c")
	})
}

// Dies after the dead letter is durable, before the offset is: the record is given up again, and is there once.
func TestDeliver_ADeadLetterThatIsGivenUpAgainIsThereOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, 1)
		s.user.behave = failing("poison")
		s.write(0, "poison", "b")
		s.c.FaultKV(func(_ string, op coordination.Op, key string) coordination.Decision {
			if op == coordination.OpCommit && strings.Contains(key, "offsets") {
				return coordination.Decision{Fail: coordination.FailBefore}
			}
			return coordination.Decision{}
		})
		if r, err := s.run(time.Minute, ``); err == nil {
			t.Errorf("%+v: nothing could be committed", r)
		}
		s.c.FaultKV(nil)
		s.wants(time.Minute, ``, "1 delivered, 1 dead, 3 failed, lag 0")
		s.took("t-0", "b", "b")
		if letters := s.letters(); len(letters) != 1 {
			t.Errorf("%d dead letters of one record: %v", len(letters), letters)
		}
	})
}

// The dead letter cannot be written: nothing from it on is committed.
func TestDeliver_NothingIsCommittedPastALetterThatIsNotDurable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, 1)
		s.user.behave = failing("poison")
		s.write(0, "a", "poison", "c")
		s.c.FaultKV(func(who string, op coordination.Op, key string) coordination.Decision {
			if op == coordination.OpCommit && strings.HasPrefix(who, "f") && strings.Contains(key, "log/commits") {
				return coordination.Decision{Fail: coordination.FailBefore}
			}
			return coordination.Decision{}
		})
		r, err := s.run(20*time.Second, ``)
		if err != nil || r.Delivered != 1 || r.DeadLettered != 0 || r.Lag != 2 {
			t.Errorf("%+v, %v", r, err)
		}
		s.c.FaultKV(nil)
		s.user.behave = nil
		s.wants(time.Minute, ``, "2 delivered, 0 dead, 0 failed, lag 0")
		s.took("t-0", "a", "poison", "c")
	})
}

func TestDeliver_ARecordThatFitsNoEventIsADeadLetterAndOneThatTheTopicDoesNotTakeIsNamedThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, 1, "max.message.bytes", "2000")
		s.write(0, "a", strings.Repeat("x", 3000), "c")
		f := s.fresh()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		s.user.behave = func(_ context.Context, _ string, values []string) ([]byte, error) {
			if slices.ContainsFunc(values, func(v string) bool { return len(v) > 1000 }) {
				return nil, deliver.ErrTooLarge
			}
			return nil, nil
		}
		r, err := f.invoke(ctx, nil)
		if err != nil || r.Delivered != 2 || r.DeadLettered != 1 || r.Failed != 0 {
			t.Fatalf("%+v, %v", r, err)
		}
		letters := s.letters()
		if len(letters) != 1 || letters[0]["value"] != "" || letters[0][deliver.HeaderReason] != deliver.ReasonTooLarge || letters[0][deliver.HeaderLeftOut] != "3000" || letters[0][deliver.HeaderOffset] != "1" {
			t.Errorf("%v", letters)
		}
	})
}

func TestDeliver_ThrottlesAreWaitedOutAndCountForNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, 1)
		var calls atomic.Int64
		s.user.behave = func(context.Context, string, []string) ([]byte, error) {
			if calls.Add(1) <= 8 {
				return nil, deliver.ErrThrottled
			}
			return nil, nil
		}
		s.write(0, "a", "b")
		r, err := s.run(5*time.Minute, ``)
		if err != nil || r.Delivered != 2 || r.Failed != 0 || r.Throttled != 8 || r.DeadLettered != 0 {
			t.Errorf("%+v, %v", r, err)
		}
	})
}

func TestDeliver_AFunctionThatIsNotThereIsNoRecordsFault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, 1)
		s.user.behave = func(context.Context, string, []string) ([]byte, error) { return nil, deliver.ErrRefused }
		s.write(0, "a")
		r, err := s.run(time.Minute, ``)
		if err != nil || r.DeadLettered != 0 || r.Lag != 1 || len(r.Blocked) != 1 {
			t.Errorf("%+v, %v", r, err)
		}
	})
}

// One partition's function takes 40 s, and the others' records keep coming: they are delivered meanwhile, and what is done is committed when
// time is over.
func TestDeliver_ASlowPartitionHoldsUpNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, 3)
		s.set.Reserve = time.Millisecond
		s.write(0, "slow")
		for range 100 {
			s.write(1, "x", "x")
			s.write(2, "y")
		}
		s.user.behave = func(ctx context.Context, partition string, _ []string) ([]byte, error) {
			wait := 10 * time.Millisecond
			if partition == "t-0" {
				wait = 2 * time.Minute
			}
			select {
			case <-time.After(wait):
				return nil, nil
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}
		r, err := s.run(30*time.Second, ``)
		if err != nil || r.Delivered != 300 || r.Lag != 1 || !r.OutOfTime || len(r.Blocked) != 0 {
			t.Errorf("%+v, %v", r, err)
		}
		s.user.behave = nil
		s.wants(time.Minute, ``, "1 delivered, 0 dead, 0 failed, lag 0")
	})
}

func TestDeliver_LatestBeginsAtTheFirstInvocationAndMissesNothingAfterIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, 1)
		s.write(0, "old")
		s.wants(time.Minute, `{"start":"latest"}`, "0 delivered, 0 dead, 0 failed, lag 0")
		s.write(0, "new")
		s.wants(time.Minute, `{"start":"latest"}`, "1 delivered, 0 dead, 0 failed, lag 0")
		s.took("t-0", "new")
	})
}

func TestDeliver_AnAnswerThatNamesARecordIsGoneOnFromThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, 1)
		var first atomic.Bool
		s.user.behave = func(_ context.Context, _ string, values []string) ([]byte, error) {
			if !first.Swap(true) {
				return []byte(`{"batchItemFailures":[{"itemIdentifier":{"partition":"t-0","offset":2}}]}`), nil
			}
			return []byte(`{"batchItemFailures":[]}`), nil
		}
		s.write(0, "a", "b", "c", "d")
		s.wants(time.Minute, ``, "4 delivered, 0 dead, 1 failed, lag 0")
		s.took("t-0", "a", "b", "c", "d", "c", "d")
	})
}

func TestDeliver_SettingsThatCannotBeRightAreRefusedTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, 1)
		_, err := s.run(time.Minute, `{"batch":0,"start":"middle","topics":["^d.*"]}`)
		for _, part := range []string{"a batch of 0", `start "middle"`, `dead-letter topic "dead"`} {
			if err == nil || !strings.Contains(err.Error(), part) {
				t.Errorf("%v: want %s in it", err, part)
			}
		}
		if _, err := s.run(time.Minute, `{"deadLetterTopic":"none"}`); err == nil || !strings.Contains(err.Error(), "none") {
			t.Errorf("a dead-letter topic that is not there: %v", err)
		}
	})
}

// Three invocations of one group at the same time, beside nobody else: each record once, as long as nothing dies.
func TestDeliver_SeveralAtOnceShareThePartitions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, 6)
		for n := range int32(6) {
			for range 20 {
				s.write(n, "v", "v")
			}
		}
		s.set.Reserve = time.Millisecond
		s.user.behave = func(context.Context, string, []string) ([]byte, error) {
			time.Sleep(500 * time.Millisecond)
			return nil, nil
		}
		done := make(chan *deliver.Report)
		for range 3 {
			f := s.fresh()
			go func() {
				ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
				defer cancel()
				r, err := f.invoke(ctx, nil)
				if err != nil {
					t.Error(err)
				}
				done <- r
			}()
		}
		total, workers := 0, 0
		for range 3 {
			if r := <-done; r != nil {
				total += r.Delivered
				if r.Delivered > 0 {
					workers++
				}
			}
		}
		if total != 240 || workers != 3 {
			t.Errorf("%d delivered by %d of three", total, workers)
		}
		if left := s.c.Items("/firnlog/test/groups/g/members/"); len(left) != 0 {
			t.Errorf("%d seats are left", len(left))
		}
	})
}

func TestClassify_OfTheInvokeAPI(t *testing.T) {
	for status, want := range map[int]error{429: deliver.ErrThrottled, 413: deliver.ErrTooLarge, 404: deliver.ErrRefused, 403: deliver.ErrRefused, 400: deliver.ErrRefused} {
		if err := classify(answered(status)); !errors.Is(err, want) {
			t.Errorf("%d: %v, want %v", status, err, want)
		}
	}
	for _, err := range []error{classify(answered(500)), classify(answered(503)), classify(errors.New("connection reset"))} {
		if errors.Is(err, deliver.ErrRefused) || errors.Is(err, deliver.ErrThrottled) {
			t.Errorf("%v is to be waited out", err)
		}
	}
	var f *deliver.FunctionError
	if err := functionError([]byte(`{"errorMessage":"2026-11-23T00:00:00Z 4c Task timed out after 3.00 seconds"}`)); !errors.As(err, &f) || !f.TimedOut {
		t.Errorf("%v", err)
	}
	if err := functionError([]byte(`{"errorMessage":"no","errorType":"errorString"}`)); !errors.As(err, &f) || f.TimedOut || f.Message != "errorString: no" {
		t.Errorf("%v", err)
	}
}

type answered int

func (a answered) Error() string       { return "status" }
func (a answered) HTTPStatusCode() int { return int(a) }
