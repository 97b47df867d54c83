package group

import (
	"testing"
	"time"
)

func TestConsumer_SaysWhatIsWrong(t *testing.T) {
	with := func(change func(*ConsumerRequest)) ConsumerRequest {
		r := consuming("m")
		change(&r)
		return r
	}
	bad, range2 := "a(", "best"
	for _, c := range []struct {
		name string
		r    ConsumerRequest
		want error
	}{
		{"no such epoch", with(func(r *ConsumerRequest) { r.Epoch = -3 }), ErrInvalidRequest},
		{"joins with partitions", with(func(r *ConsumerRequest) { r.Owned = r.Owned.With(topicID("a"), 1) }), ErrInvalidRequest},
		{"joins without a subscription", with(func(r *ConsumerRequest) { r.Names = nil }), ErrInvalidRequest},
		{"joins without a rebalance timeout", with(func(r *ConsumerRequest) { r.RebalanceMs = -1 }), ErrInvalidRequest},
		{"static leave of nobody in particular", with(func(r *ConsumerRequest) { r.Epoch = leaveStatic }), ErrInvalidRequest},
		{"assignor", with(func(r *ConsumerRequest) { r.Assignor = &range2 }), ErrUnsupportedAssignor},
		{"regular expression", with(func(r *ConsumerRequest) { r.Regex = &bad }), ErrInvalidRegex},
		{"nobody's epoch", with(func(r *ConsumerRequest) { r.Epoch = 3 }), ErrUnknownMember},
		{"nobody leaves", with(func(r *ConsumerRequest) { r.Epoch = leaveEpoch }), ErrUnknownMember},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newTable(t)
			_, err := b.consumer(c.r)
			b.is(err, c.want)
			if !b.m.Vacant() {
				t.Error("something is left of it")
			}
		})
	}
}

// keepAlive is a heartbeat that says nothing new.
func keepAlive(id string, epoch int32, owned Partitions) ConsumerRequest {
	return ConsumerRequest{MemberID: id, Epoch: epoch, RebalanceMs: -1, Owned: owned}
}

func TestConsumer_APartitionIsGivenOnlyAfterItWasGivenUp(t *testing.T) {
	b := newTable(t)
	one, err := b.consumer(consuming("one"))
	b.is(err, nil)
	if one.Epoch != 1 || one.Assignment.count() != 6 {
		t.Fatalf("alone: %+v", one)
	}
	two, _ := b.consumer(consuming("two"))
	if two.Epoch != 2 || two.Assignment.count() != 0 || b.m.Current() != Reconciling {
		t.Fatalf("two has %v at %d before one gave it up", two.Assignment, two.Epoch)
	}
	all := *one.Assignment
	one, _ = b.consumer(keepAlive("one", 1, nil))
	if one.Epoch != 1 || one.Assignment == nil || one.Assignment.count() != 3 {
		t.Fatalf("one has not given up, and is told %+v", one)
	}
	if two, _ = b.consumer(keepAlive("two", 2, Partitions{})); two.Assignment != nil && two.Assignment.count() != 0 {
		t.Fatalf("two has %v", two.Assignment)
	}
	if again, _ := b.consumer(keepAlive("one", 1, all)); again.Epoch != 1 {
		t.Fatalf("one still has all, and is told %+v", again)
	}
	if one, _ = b.consumer(keepAlive("one", 1, *one.Assignment)); one.Epoch != 2 {
		t.Fatalf("one gave up, and is told %+v", one)
	}
	if two, _ = b.consumer(keepAlive("two", 2, Partitions{})); two.Assignment.count() != 3 || b.m.Current() != Stable {
		t.Fatalf("two has %v, group %s", two.Assignment, b.m.Current())
	}
}

func TestConsumer_EpochsFence(t *testing.T) {
	b := newTable(t)
	one, _ := b.consumer(consuming("one"))
	_, err := b.consumer(keepAlive("one", 2, nil))
	b.is(err, ErrFencedEpoch)
	b.is(b.m.CheckCommit(CommitCheck{MemberID: "one", Generation: 1, NewErrors: true}), nil)
	b.is(b.m.CheckCommit(CommitCheck{MemberID: "one", Generation: 2, NewErrors: true}), ErrStaleEpoch)
	b.is(b.m.CheckCommit(CommitCheck{MemberID: "one", Generation: 1}), ErrOldCommit)
	b.is(b.m.CheckFetch("one", 0), ErrStaleEpoch)
	b.is(b.m.CheckFetch("who", 1), ErrUnknownMember)
	b.is(b.m.CheckFetch("", -1), nil)
	r := consuming("one")
	r.Epoch, r.Names = 1, []string{"a", "bb"}
	next, err := b.consumer(r)
	b.is(err, nil)
	if next.Epoch != 2 || next.Assignment.count() != 9 {
		t.Fatalf("with another topic: %+v", next)
	}
	// The answer was lost: it comes with the epoch before, and with what it had.
	back, err := b.consumer(keepAlive("one", 1, *one.Assignment))
	b.is(err, nil)
	if back.Epoch != 2 {
		t.Errorf("told %+v", back)
	}
	_, err = b.consumer(keepAlive("one", 1, nil))
	b.is(err, ErrFencedEpoch)
	_, err = b.consumer(keepAlive("one", 1, Partitions{}.With(topicID("a"), 77)))
	b.is(err, ErrFencedEpoch)
	// It joins anew: it has nothing, and is given all.
	again, err := b.consumer(consuming("one"))
	b.is(err, nil)
	if again.Assignment == nil || again.Epoch < 2 {
		t.Errorf("joined anew: %+v", again)
	}
}

func TestConsumer_StaticMembersComeBackToTheirPartitions(t *testing.T) {
	b := newTable(t)
	r := consuming("one")
	r.Instance = "i"
	b.consumer(r)
	b.consumer(consuming("other"))
	next := consuming("two")
	next.Instance = "i"
	_, err := b.consumer(next)
	b.is(err, ErrUnreleasedInstance)
	group := b.m.Generation
	has := b.m.Target["one"]
	_, err = b.consumer(ConsumerRequest{MemberID: "one", Instance: "i", Epoch: leaveStatic, RebalanceMs: -1})
	b.is(err, nil)
	res, err := b.consumer(next)
	b.is(err, nil)
	if !b.m.Target["two"].equal(has) || b.m.Generation != group || res.Epoch != group {
		t.Errorf("back as %+v, group epoch %d, was %d", res, b.m.Generation, group)
	}
	r.Epoch, r.Owned = 1, nil
	_, err = b.consumer(r)
	b.is(err, ErrFencedInstance)
	_, err = b.consumer(ConsumerRequest{MemberID: "two", Instance: "i", Epoch: leaveStatic, RebalanceMs: -1})
	b.is(err, nil)
	b.pass(44 * time.Second)
	if b.m.Members["two"] == nil {
		t.Error("gone before its session was over")
	}
	b.pass(2 * time.Second)
	if b.m.Members["two"] != nil {
		t.Error("never gone")
	}
}

func TestConsumer_RegexFollowsTheTopics(t *testing.T) {
	b := newTable(t)
	r, text := consuming("one"), "b+"
	r.Names, r.Regex = nil, &text
	res, err := b.consumer(r)
	b.is(err, nil)
	if res.Assignment.count() != 3 {
		t.Fatalf("%+v", res)
	}
	b.topics = NewCatalog([]Topic{{"a", topicID("a"), 6}, {"bb", topicID("bb"), 4}, {"bbb", topicID("bbb"), 1}, {"bbx", topicID("bbx"), 9}})
	res, _ = b.consumer(keepAlive("one", 1, *res.Assignment))
	if res.Epoch != 2 || res.Assignment == nil || res.Assignment.count() != 5 {
		t.Fatalf("topics grew: %+v", res)
	}
	b.topics = NewCatalog([]Topic{{"a", topicID("a"), 6}})
	res, _ = b.consumer(keepAlive("one", 2, *res.Assignment))
	if res.Assignment == nil || res.Assignment.count() != 0 {
		t.Fatalf("topics are gone: %+v", res)
	}
}

func TestConsumer_WhoIsSilentOrKeepsWhatItShallGiveUpIsOut(t *testing.T) {
	b := newTable(t)
	one, _ := b.consumer(consuming("one"))
	b.consumer(consuming("two"))
	all := *one.Assignment
	for range 3 {
		b.consumer(keepAlive("one", 1, all))
		b.consumer(keepAlive("two", 2, nil))
		b.pass(8 * time.Second)
	}
	if b.m.Members["one"] != nil {
		t.Fatal("it keeps what it shall give up, and is still there")
	}
	_, err := b.consumer(keepAlive("one", 1, all))
	b.is(err, ErrUnknownMember)
	two, _ := b.consumer(keepAlive("two", 2, nil))
	if two.Assignment.count() != 6 {
		t.Fatalf("two has %v", two.Assignment)
	}
	b.pass(44 * time.Second)
	b.pass(2 * time.Second)
	if b.m.Current() != Empty {
		t.Errorf("group %s", b.m.Current())
	}
}

func TestConsumer_RangeKeepsTopicsTogether(t *testing.T) {
	b := newTable(t)
	b.topics = NewCatalog([]Topic{{"a", topicID("a"), 5}, {"bb", topicID("bb"), 5}})
	kind := "range"
	for _, id := range []string{"x", "y"} {
		r := consuming(id)
		r.Names, r.Assignor = []string{"a", "bb"}, &kind
		b.consumer(r)
	}
	if x, y := b.m.Target["x"], b.m.Target["y"]; len(x[topicID("a")]) != 3 || len(y[topicID("bb")]) != 2 || x[topicID("bb")][2] != 2 || b.m.Assignor != "range" {
		t.Errorf("x %v, y %v", x, y)
	}
}

func TestMixed_AClassicGroupIsUpgradedAndDowngradedWhileItIsUsed(t *testing.T) {
	b := newTable(t)
	ids := b.stable(2) // ids[0] has a/0, ids[1] a/1
	generation := b.m.Generation
	next, err := b.consumer(consuming("next"))
	b.is(err, nil)
	if b.m.Kind != Consumer || next.Epoch <= generation {
		t.Fatalf("group is %s, epoch %d after %d", b.m.Kind, next.Epoch, generation)
	}
	if free := next.Assignment.count(); free != 2 || next.Assignment.has(topicID("a"), 0) || next.Assignment.has(topicID("a"), 1) {
		t.Errorf("the new member has %v: the classic ones hold 0 and 1", next.Assignment)
	}
	b.is(b.heartbeat(ids[0], generation), ErrRebalanceInProgress)
	b.is(b.m.CheckCommit(CommitCheck{MemberID: ids[0], Generation: generation}), nil)
	for _, id := range ids {
		_, res := b.join(joining(id)) // they have given up all: range is eager
		b.is(res.Err, nil)
		_, sync := b.sync(SyncRequest{MemberID: id, Generation: res.Generation})
		has, err := decodeAssignment(sync.Assignment, b.topics)
		if err != nil || has.count() != 2 {
			t.Errorf("%s has %v, %v", id, has, err)
		}
		b.is(b.heartbeat(id, res.Generation), nil)
		b.is(b.heartbeat(id, res.Generation-1), ErrIllegalGeneration)
	}
	if b.m.Current() != Stable {
		t.Errorf("group is %s", b.m.Current())
	}
	b.takeover()
	before := b.m.Generation
	_, err = b.consumer(ConsumerRequest{MemberID: "next", Epoch: leaveEpoch, RebalanceMs: -1})
	b.is(err, nil)
	if b.m.Kind != Classic || b.m.Current() != Preparing || b.m.Generation <= before {
		t.Fatalf("group is %s, %s, generation %d after %d", b.m.Kind, b.m.Current(), b.m.Generation, before)
	}
	b.is(b.heartbeat(ids[0], before), ErrIllegalGeneration)
	b.join(joining(ids[0]))
	b.join(joining(ids[1]))
	if b.m.Current() != Completing {
		t.Errorf("group is %s", b.m.Current())
	}
}

func TestMixed_EmptyGroupsChangeTheirKind(t *testing.T) {
	b := newTable(t)
	b.consumer(consuming("one"))
	b.consumer(ConsumerRequest{MemberID: "one", Epoch: leaveEpoch, RebalanceMs: -1})
	epoch := b.m.Generation
	_, res := b.join(joining(""))
	b.is(res.Err, nil)
	if b.m.Kind != Classic || res.Generation <= epoch {
		t.Fatalf("group is %s, generation %d after epoch %d", b.m.Kind, res.Generation, epoch)
	}
	b.is(b.leave(res.MemberID), nil)
	next, err := b.consumer(consuming("two"))
	b.is(err, nil)
	if b.m.Kind != Consumer || next.Epoch <= res.Generation {
		t.Errorf("group is %s, epoch %d after %d", b.m.Kind, next.Epoch, res.Generation)
	}
}

func TestMixed_OtherProtocolTypesStayAmongThemselves(t *testing.T) {
	b := newTable(t)
	r := joining("")
	r.ProtocolType = "connect"
	b.join(r)
	_, err := b.consumer(consuming("one"))
	b.is(err, ErrInconsistentProtocol)
	b = newTable(t)
	b.consumer(consuming("one"))
	_, res := b.join(r)
	b.is(res.Err, ErrInconsistentProtocol)
	if b.m.Kind != Consumer {
		t.Error("the group was changed")
	}
}

func TestMixed_AStaticMemberIsUpgraded(t *testing.T) {
	b := newTable(t)
	_, old := b.join(static("", "i"))
	b.sync(SyncRequest{MemberID: old.MemberID, Instance: "i", Generation: 1})
	r := consuming("new")
	r.Instance = "i"
	res, err := b.consumer(r)
	b.is(err, nil)
	if len(b.m.Members) != 1 || res.Assignment.count() != 6 {
		t.Errorf("%d members, %+v", len(b.m.Members), res)
	}
	_, back := b.join(static("", "i"))
	b.is(back.Err, nil)
	if b.m.Kind != Classic {
		t.Errorf("downgraded again, the group is %s", b.m.Kind)
	}
}
