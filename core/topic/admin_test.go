package topic

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/record"
)

func TestCreate_IsSeenHereAtOnceWithDefaultsFilledIn(t *testing.T) {
	c := newCluster(t)
	made, err := c.Create(t.Context(), Spec{Name: "a", Partitions: -1, ReplicationFactor: -1, Configs: map[string]string{RetentionMs: "-1"}}, false)
	if err != nil {
		t.Fatal(err)
	}
	if made.Partitions != 1 || made.ReplicationFactor != 1 || made.ID == (record.TopicID{}) {
		t.Fatalf("made %+v", made)
	}
	got := c.stored(t, "a")
	if got == nil || got.ID != made.ID || got.Configs[RetentionMs] != "-1" {
		t.Fatalf("stored %+v", got)
	}
	if c.view.waited != got.Mod {
		t.Fatalf("waited for revision %d, the topic is at %d", c.view.waited, got.Mod)
	}
}

func TestCreate_ValidateOnlyWritesNothing(t *testing.T) {
	c := newCluster(t)
	if _, err := c.Create(t.Context(), Spec{Name: "a", Partitions: 1, ReplicationFactor: 1}, true); err != nil {
		t.Fatal(err)
	}
	c.mustCreate(t, "a")
	if _, err := c.Create(t.Context(), Spec{Name: "a", Partitions: 1, ReplicationFactor: 1}, true); !errors.Is(err, ErrExists) {
		t.Fatalf("an existing topic: %v", err)
	}
	if c.kv.commits != 1 {
		t.Fatalf("%d commits, want 1", c.kv.commits)
	}
}

func TestCreate_RefusesWhatCanNeverBeRight(t *testing.T) {
	for _, one := range []struct {
		name string
		spec Spec
		want error
	}{
		{"exists", Spec{Name: "there.is", Partitions: 1, ReplicationFactor: 1}, ErrExists},
		{"empty name", Spec{Partitions: 1, ReplicationFactor: 1}, ErrInvalidName},
		{"dots", Spec{Name: "..", Partitions: 1, ReplicationFactor: 1}, ErrInvalidName},
		{"slash", Spec{Name: "a/b", Partitions: 1, ReplicationFactor: 1}, ErrInvalidName},
		{"long name", Spec{Name: strings.Repeat("x", 250), Partitions: 1, ReplicationFactor: 1}, ErrInvalidName},
		{"collision", Spec{Name: "there_is", Partitions: 1, ReplicationFactor: 1}, ErrInvalidName},
		{"no partitions", Spec{Name: "a", Partitions: 0, ReplicationFactor: 1}, ErrInvalidPartitions},
		{"too many partitions", Spec{Name: "a", Partitions: 10_001, ReplicationFactor: 1}, ErrInvalidPartitions},
		{"no replicas", Spec{Name: "a", Partitions: 1, ReplicationFactor: 0}, ErrInvalidReplication},
		{"unknown config", Spec{Name: "a", Partitions: 1, ReplicationFactor: 1, Configs: map[string]string{"no.such": "1"}}, ErrInvalidConfig},
		{"bad config", Spec{Name: "a", Partitions: 1, ReplicationFactor: 1, Configs: map[string]string{RetentionMs: "soon"}}, ErrInvalidConfig},
	} {
		c := newCluster(t)
		c.mustCreate(t, "there.is")
		if _, err := c.Create(t.Context(), one.spec, false); !errors.Is(err, one.want) {
			t.Errorf("%s: %v, want %v", one.name, err, one.want)
		}
		if c.kv.commits != 1 {
			t.Errorf("%s: something was written", one.name)
		}
	}
}

func TestCreate_LostAnswerIsSuccessAndLeavesOneTopic(t *testing.T) {
	c := newCluster(t)
	c.kv.faults = []fault{{err: coordination.ErrUnknown, applied: true}}
	made := c.mustCreate(t, "a")
	if got := c.stored(t, "a"); got.ID != made.ID {
		t.Fatalf("made %s, stored %s", made.ID, got.ID)
	}
	if c.view.waited == 0 {
		t.Fatal("answered before the topic was seen here")
	}
}

func TestCreate_LostRequestIsTriedUnderAFreshID(t *testing.T) {
	c := newCluster(t)
	c.kv.faults = []fault{{err: coordination.ErrUnknown}}
	if made := c.mustCreate(t, "a"); made.ID != (record.TopicID{2}) {
		t.Fatalf("id %v: an id whose fate is open may not be used again", made.ID)
	}
}

func TestCreate_LosesARaceWithExists(t *testing.T) {
	c := newCluster(t)
	c.kv.faults = []fault{{before: func() { c.mustCreate(t, "a") }}}
	if _, err := c.Create(t.Context(), Spec{Name: "a", Partitions: 1, ReplicationFactor: 1}, false); !errors.Is(err, ErrExists) {
		t.Fatal(err)
	}
}

func TestEveryChange_OfAnotherEraIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		c.mustCreate(t, "a")
		c.view.format = []byte("another era")
		_, create := c.Create(t.Context(), Spec{Name: "b", Partitions: 1, ReplicationFactor: 1}, false)
		_, remove := c.Delete(t.Context(), "a")
		_, grow := c.Grow(t.Context(), "a", 9, false)
		_, set := c.SetConfigs(t.Context(), "a", []Change{{Key: RetentionMs, Value: "1"}}, false, false)
		for _, err := range []error{create, remove, grow, set} {
			if !errors.Is(err, ErrUnavailable) {
				t.Fatalf("%v, want unavailable", err)
			}
		}
		if got := c.stored(t, "a"); got == nil || got.Partitions != 3 || got.Configs != nil || c.stored(t, "b") != nil {
			t.Fatal("a writer of another era changed topics")
		}
	})
}

func TestDelete_TakesTopicAndHeadsInOneTransaction(t *testing.T) {
	c := newCluster(t)
	a, b := c.mustCreate(t, "a"), c.mustCreate(t, "b")
	put := []coordination.Change{
		coordination.PutKey(c.keys.Head(a.ID, 0), []byte("x")), coordination.PutKey(c.keys.Head(a.ID, 2), []byte("x")),
		coordination.PutKey(c.keys.Head(b.ID, 0), []byte("x")),
	}
	if _, err := c.kv.KV.Commit(t.Context(), nil, put); err != nil {
		t.Fatal(err)
	}
	before := c.kv.commits
	if gone, err := c.Delete(t.Context(), "a"); err != nil || gone.ID != a.ID {
		t.Fatalf("%+v, %v", gone, err)
	}
	heads, err := c.kv.List(t.Context(), coordination.Range{Prefix: c.keys.Heads()})
	if err != nil || len(heads.Items) != 1 || heads.Items[0].Key != c.keys.Head(b.ID, 0) {
		t.Fatalf("heads left: %+v, %v", heads.Items, err)
	}
	if c.stored(t, "a") != nil || c.kv.commits != before+1 {
		t.Fatalf("topic left, or %d commits", c.kv.commits-before)
	}
}

func TestDelete_ByIDTakesOnlyThatTopic(t *testing.T) {
	c := newCluster(t)
	old := c.mustCreate(t, "a")
	if _, err := c.DeleteID(t.Context(), old.ID); err != nil {
		t.Fatal(err)
	}
	again := c.mustCreate(t, "a")
	if _, err := c.DeleteID(t.Context(), old.ID); !errors.Is(err, ErrUnknownID) {
		t.Fatal(err)
	}
	if c.view.barriers != 1 {
		t.Fatalf("%d barriers before an unknown id was said", c.view.barriers)
	}
	if got := c.stored(t, "a"); got == nil || got.ID != again.ID {
		t.Fatal("the topic of the same name is gone")
	}
}

func TestDelete_LostAnswerIsSuccess(t *testing.T) {
	c := newCluster(t)
	c.mustCreate(t, "a")
	c.kv.faults = []fault{{err: coordination.ErrUnknown, applied: true}}
	if _, err := c.Delete(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
}

func TestDelete_LostAnswerDoesNotTakeTheNextTopicOfThatName(t *testing.T) {
	c := newCluster(t)
	c.mustCreate(t, "a")
	recreated := false
	c.kv.faults = []fault{
		{err: coordination.ErrUnknown, applied: true},
		{}, // of the creation below
	}
	get := &getHook{KV: c.kv, after: func() {
		if !recreated && c.kv.commits == 2 {
			recreated = true
			c.mustCreate(t, "a")
		}
	}}
	c.Admin.kv = get
	if _, err := c.Delete(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	if !recreated || c.stored(t, "a") == nil {
		t.Fatalf("recreated %v, but it is gone", recreated)
	}
}

func TestDelete_UnknownTopic(t *testing.T) {
	c := newCluster(t)
	if _, err := c.Delete(t.Context(), "a"); !errors.Is(err, ErrUnknownTopic) {
		t.Fatal(err)
	}
}

func TestGrow_OnlyGrows(t *testing.T) {
	c := newCluster(t)
	c.mustCreate(t, "a")
	for _, n := range []int32{-1, 0, 2, 3, 10_001} {
		if _, err := c.Grow(t.Context(), "a", n, false); !errors.Is(err, ErrInvalidPartitions) {
			t.Errorf("to %d: %v", n, err)
		}
	}
	if _, err := c.Grow(t.Context(), "a", 5, true); err != nil || c.stored(t, "a").Partitions != 3 {
		t.Fatalf("validate only: %v", err)
	}
	if _, err := c.Grow(t.Context(), "a", 5, false); err != nil || c.stored(t, "a").Partitions != 5 {
		t.Fatal(err)
	}
}

func TestGrow_LostAnswerIsSuccess(t *testing.T) {
	c := newCluster(t)
	c.mustCreate(t, "a")
	c.kv.faults = []fault{{err: coordination.ErrUnknown, applied: true}}
	if _, err := c.Grow(t.Context(), "a", 5, false); err != nil {
		t.Fatal(err)
	}
}

func TestSetConfigs_KeepsWhatOthersChangedMeanwhile(t *testing.T) {
	c := newCluster(t)
	c.mustCreate(t, "a")
	c.kv.faults = []fault{{before: func() {
		if _, err := c.SetConfigs(t.Context(), "a", []Change{{Key: RetentionMs, Value: "7"}}, false, false); err != nil {
			t.Error(err)
		}
	}}}
	if _, err := c.SetConfigs(t.Context(), "a", []Change{{Key: RetentionBytes, Value: "9"}}, false, false); err != nil {
		t.Fatal(err)
	}
	if got := c.stored(t, "a").Configs; got[RetentionMs] != "7" || got[RetentionBytes] != "9" {
		t.Fatalf("%v", got)
	}
}

func TestUnavailable_IsDefiniteAndUnknownIsSaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for want, cause := range map[error]error{ErrUnavailable: coordination.ErrUnavailable, ErrUnknown: coordination.ErrUnknown} {
			c := newCluster(t)
			for range tries {
				c.kv.faults = append(c.kv.faults, fault{err: cause})
			}
			if _, err := c.Create(t.Context(), Spec{Name: "a", Partitions: 1, ReplicationFactor: 1}, false); !errors.Is(err, want) {
				t.Errorf("%v, want %v", err, want)
			}
		}
	})
}
