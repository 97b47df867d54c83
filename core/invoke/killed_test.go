package invoke_test

import (
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/coretest"
	"github.com/firnlog/firnlog/core/ingest"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/stream"
	"github.com/firnlog/firnlog/core/topic"
	"github.com/firnlog/firnlog/core/upkeep"
)

// stage is a broker and one topic beside a function.
func stage(t *testing.T) (c *coretest.Cluster, broker *coretest.Instance, tp record.TopicPartition) {
	c = coretest.NewCluster(t)
	broker = c.Instance("broker", coretest.Options{}).Ready()
	return c, broker, record.TopicPartition{Topic: c.CreateTopic("t", 1)}
}

// failCommits makes what a function's commits meet.
func failCommits(c *coretest.Cluster, how coordination.Failure) {
	c.FaultKV(func(who string, op coordination.Op, _ string) coordination.Decision {
		if who == "f" && op == coordination.OpCommit {
			return coordination.Decision{Fail: how}
		}
		return coordination.Decision{}
	})
}

// Each way to die, then the same request again by a new environment.
func TestKilled_SendingAgainLosesNothingAndWithAProducerIDDoublesNothing(t *testing.T) {
	for name, how := range map[string]coordination.Failure{
		"between put and commit": coordination.FailBefore, "between commit and answer": coordination.FailAfter, "and the commit lands later": coordination.FailLate,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, broker, tp := stage(t)
				failCommits(c, how)
				first := newEnvironment(c, "f")
				batches := []ingest.Incoming{coretest.Idempotent(tp, 5, 0, 0, "a", "b"), coretest.Idempotent(tp, 5, 0, 2, "c")}
				out, err := produce(t, first, "t", batches...)
				if err != nil || out[0].Err == nil {
					t.Fatalf("%v, %v: want an error", out, err)
				}
				if unknown := errors.Is(out[0].Err, ingest.ErrUnknown); unknown != (how != coordination.FailBefore) {
					t.Errorf("answered %v", out[0].Err)
				}
				c.FaultKV(nil)
				second := newEnvironment(c, "f")
				bases := mustProduce(t, second, "t", batches...)
				if !slices.Equal(bases, []record.Offset{0, 2}) {
					t.Errorf("offsets %v, want 0 and 2", bases)
				}
				if late := first.KV.(*coordination.Fault); how == coordination.FailLate {
					for late.Late() > 0 {
						if _, err := late.Land(t.Context(), 0); err != nil {
							t.Fatal(err)
						}
					}
				}
				broker.Barrier()
				if got := broker.ReadAll(tp); !slices.Equal(got, []string{"a", "b", "c"}) {
					t.Errorf("the log has %q", got)
				}
			})
		})
	}
}

func TestKilled_WithoutAProducerIDSendingAgainMayDouble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, broker, tp := stage(t)
		failCommits(c, coordination.FailAfter)
		if out, err := produce(t, newEnvironment(c, "f"), "t", coretest.Plain(tp, "a")); err != nil || !errors.Is(out[0].Err, ingest.ErrUnknown) {
			t.Fatalf("%v, %v: want unknown", out, err)
		}
		c.FaultKV(nil)
		mustProduce(t, newEnvironment(c, "f"), "t", coretest.Plain(tp, "a"))
		broker.Barrier()
		if got := broker.ReadAll(tp); !slices.Equal(got, []string{"a", "a"}) {
			t.Errorf("the log has %q: no loss, and both", got)
		}
	})
}

// An answer that was lost on the way is found again within the same invocation.
func TestCommit_ALostAnswerIsFoundByTheNextTry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, broker, tp := stage(t)
		failed := false
		c.FaultKV(func(who string, op coordination.Op, _ string) coordination.Decision {
			if who == "f" && op == coordination.OpCommit && !failed {
				failed = true
				return coordination.Decision{Fail: coordination.FailAfter}
			}
			return coordination.Decision{}
		})
		bases := mustProduce(t, newEnvironment(c, "f"), "t", coretest.Plain(tp, "a"))
		broker.Barrier()
		if got := broker.ReadAll(tp); bases[0] != 0 || len(got) != 1 {
			t.Errorf("at %v; the log has %q", bases, got)
		}
	})
}

// Put, then frozen for so long that the floor passes the segment's id: put again under a new one.
func TestFrozen_BetweenPutAndCommitForMinutes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := coretest.NewCluster(t)
		broker := c.Instance("broker", coretest.Options{RunUpkeep: true}).Ready()
		tp := record.TopicPartition{Topic: c.CreateTopic("t", 1)}
		e := newEnvironment(c, "f")
		frozen := false
		c.FaultKV(func(who string, op coordination.Op, _ string) coordination.Decision {
			if who == "f" && op == coordination.OpCommit && !frozen {
				frozen = true
				time.Sleep(5 * time.Minute)
			}
			return coordination.Decision{}
		})
		out, err := produce(t, e, "t", coretest.Plain(tp, "a"))
		if err != nil || !errors.Is(out[0].Err, ingest.ErrNotAppended) && !errors.Is(out[0].Err, ingest.ErrUnknown) {
			t.Fatalf("%v, %v: want an error: its time is over", out, err)
		}
		mustProduce(t, e, "t", coretest.Plain(tp, "b"))
		broker.Barrier()
		if got := broker.ReadAll(tp); !slices.Equal(got, []string{"b"}) {
			t.Errorf("the log has %q, want b alone: the floor had passed a", got)
		}
	})
}

// Thawed when the checkpoint has passed all that the environment knew, and its commits are trimmed.
func TestFrozen_MemoryThatIsOutOfDateIsReplacedByTheHead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := coretest.NewCluster(t)
		broker := c.Instance("broker", coretest.Options{RunUpkeep: true, Upkeep: func(s *upkeep.Settings) { s.CheckpointAge = time.Second }}).Ready()
		tp := record.TopicPartition{Topic: c.CreateTopic("t", 1)}
		e := newEnvironment(c, "f")
		mustProduce(t, e, "t", coretest.Plain(tp, "a"))
		for range 20 {
			broker.MustProduce(coretest.Plain(tp, "x"))
			time.Sleep(30 * time.Second)
		}
		if n := len(c.Items(c.Keys.Commits())); n > 5 {
			t.Fatalf("%d commits are left: the test wants them trimmed", n)
		}
		if bases := mustProduce(t, e, "t", coretest.Plain(tp, "b")); bases[0] != 21 {
			t.Errorf("at offset %v, want 21", bases)
		}
	})
}

func TestEra_AnotherOneDropsAllMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _, tp := stage(t)
		e := newEnvironment(c, "f")
		mustProduce(t, e, "t", coretest.Plain(tp, "a"), coretest.Plain(tp, "b"))
		for _, it := range c.Items(c.Keys.Commits()) {
			c.Delete(it.Key)
		}
		c.Put(c.Keys.Format(), ledger.Format{Version: ledger.FormatVersion, Era: "restored"}.Encode())
		if bases := mustProduce(t, e, "t", coretest.Plain(tp, "c")); bases[0] != 0 || e.Stream.ClusterID() != "restored" {
			t.Errorf("at offset %v in era %q, want 0: the log of that era is empty", bases, e.Stream.ClusterID())
		}
	})
}

func TestFormat_OneThatIsNotKnownStopsTheInvocation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _, tp := stage(t)
		e := newEnvironment(c, "f")
		mustProduce(t, e, "t", coretest.Plain(tp, "a"))
		c.Put(c.Keys.Format(), ledger.Format{Version: ledger.FormatVersion + 1, Era: "x"}.Encode())
		if _, err := produce(t, e, "t", coretest.Plain(tp, "b")); !errors.Is(err, ledger.ErrFormat) {
			t.Errorf("%v, want ErrFormat", err)
		}
	})
}

func TestEnd_DropsWhatNobodyWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, broker, tp := stage(t)
		e := newEnvironment(c, "f")
		mustProduce(t, e, "t", coretest.Plain(tp, "a"))
		forgotten := e.Ingest.Add(t.Context(), []ingest.Incoming{coretest.Plain(tp, "forgotten")})
		e.End()
		if out := forgotten.Wait(t.Context()); !errors.Is(out[0].Err, ingest.ErrNotAppended) {
			t.Errorf("%v, want ErrNotAppended", out)
		}
		mustProduce(t, e, "t", coretest.Plain(tp, "b"))
		broker.Barrier()
		if got := broker.ReadAll(tp); !slices.Equal(got, []string{"a", "b"}) {
			t.Errorf("the log has %q", got)
		}
	})
}

// Unknown and deleted topics are told apart from what may come.
func TestTopic_DeletedWhileTheSegmentWasPut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _, tp := stage(t)
		e := newEnvironment(c, "f")
		c.FaultKV(func(who string, op coordination.Op, _ string) coordination.Decision {
			if who == "f" && op == coordination.OpCommit {
				c.DeleteTopic("t", tp.Topic)
			}
			return coordination.Decision{}
		})
		out, err := produce(t, e, "t", coretest.Plain(tp, "a"))
		if err != nil || !errors.Is(out[0].Err, ingest.ErrUnknownPartition) {
			t.Errorf("%v, %v: want ErrUnknownPartition", out, err)
		}
	})
}

// A checkpoint that passes the commit before its outcome is read does not hide it: it is read as of the commit's revision.
func TestLearn_ACheckpointBehindTheCommitHidesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := coretest.NewCluster(t)
		broker := c.Instance("broker", coretest.Options{Upkeep: func(s *upkeep.Settings) { s.CheckpointAge = time.Second }}).Ready()
		tp := record.TopicPartition{Topic: c.CreateTopic("t", 1)}
		reads := 0
		c.FaultKV(func(who string, op coordination.Op, _ string) coordination.Decision {
			if who != "f" || op != coordination.OpRead {
				return coordination.Decision{}
			}
			if reads++; reads == 2 {
				broker.Barrier()
				broker.Upkeep.Observe()
				time.Sleep(2 * time.Second)
				if err := broker.Upkeep.Checkpoint(t.Context()); err != nil {
					t.Error(err)
				}
			}
			return coordination.Decision{}
		})
		if bases := mustProduce(t, newEnvironment(c, "f"), "t", coretest.Plain(tp, "a")); bases[0] != 0 {
			t.Errorf("at offset %v", bases)
		}
		if heads := c.Items(c.Keys.Heads()); len(heads) != 1 {
			t.Errorf("%d heads: the checkpoint was to pass the commit", len(heads))
		}
	})
}

// What an environment remembers of topics is shown only after it was read again.
func TestTopic_OneThatWasDeletedMeanwhileIsUnknown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _, tp := stage(t)
		e := newEnvironment(c, "f")
		mustProduce(t, e, "t", coretest.Plain(tp, "a"))
		c.DeleteTopic("t", tp.Topic)
		ctx, done, err := e.Begin(t.Context(), stream.Need{})
		if err != nil {
			t.Fatal(err)
		}
		defer done()
		defer e.End()
		if got, err := e.Topic(ctx, "t"); !errors.Is(err, topic.ErrUnknownTopic) {
			t.Errorf("%+v, %v: want ErrUnknownTopic", got, err)
		}
	})
}
