package group

import (
	"testing"
	"time"
)

func TestJoin_SaysWhatIsWrong(t *testing.T) {
	for _, c := range []struct {
		name string
		do   func(b *table) error
		want error
	}{
		{"session too short", func(b *table) error {
			r := joining("")
			r.SessionMs = 5_999
			_, res := b.join(r)
			return res.Err
		}, ErrInvalidSession},
		{"session too long", func(b *table) error {
			r := joining("")
			r.SessionMs = 30*60_000 + 1
			_, res := b.join(r)
			return res.Err
		}, ErrInvalidSession},
		{"no protocols", func(b *table) error {
			r := joining("")
			r.Protocols = nil
			_, res := b.join(r)
			return res.Err
		}, ErrInconsistentProtocol},
		{"no protocol in common", func(b *table) error {
			b.stable(1)
			r := joining("")
			r.Protocols = []Protocol{{Name: "mine"}}
			_, res := b.join(r)
			return res.Err
		}, ErrInconsistentProtocol},
		{"another protocol type", func(b *table) error {
			b.stable(1)
			r := joining("")
			r.ProtocolType = "connect"
			_, res := b.join(r)
			return res.Err
		}, ErrInconsistentProtocol},
		{"an id that nobody has", func(b *table) error { _, res := b.join(joining("who")); return res.Err }, ErrUnknownMember},
		{"full", func(b *table) error {
			b.m.limits.MembersMax = 1
			b.stable(1)
			_, res := b.join(joining(""))
			return res.Err
		}, ErrGroupFull},
		{"a stranger with a taken instance id", func(b *table) error {
			r := joining("")
			r.Instance = "i"
			b.join(r)
			r.MemberID = "who"
			_, res := b.join(r)
			return res.Err
		}, ErrFencedInstance},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newTable(t)
			b.TB = t
			b.is(c.do(b), c.want)
		})
	}
}

func TestJoin_AMemberWithoutIDComesAgainWithTheOneItIsGiven(t *testing.T) {
	b := newTable(t)
	r := joining("")
	r.NeedsID = true
	_, res := b.join(r)
	b.is(res.Err, ErrMemberIDRequired)
	r.MemberID = res.MemberID
	_, res = b.join(r)
	b.is(res.Err, nil)
	if res.Generation != 1 || res.Leader != r.MemberID || len(res.Members) != 1 || res.Protocol != "range" {
		t.Errorf("joined as %+v", res)
	}
}

func TestJoin_AnIDThatIsNotUsedRunsOut(t *testing.T) {
	b := newTable(t)
	r := joining("")
	r.NeedsID = true
	_, res := b.join(r)
	b.pass(11 * time.Second)
	r.MemberID = res.MemberID
	_, res = b.join(r)
	b.is(res.Err, ErrUnknownMember)
	if !b.m.Vacant() {
		t.Error("something is left of it")
	}
}

func TestJoin_TheFirstRebalanceWaitsForMoreMembers(t *testing.T) {
	b := newTable(t)
	b.limits.InitialDelay, b.m.limits.InitialDelay = 3*time.Second, 3*time.Second
	one, _ := b.join(joining(""))
	b.pass(2 * time.Second)
	two, _ := b.join(joining(""))
	b.pass(time.Second) // the delay is over, but somebody came: once more
	if len(b.joins) != 0 {
		t.Fatalf("answered already: %+v", b.joins)
	}
	b.pass(3 * time.Second)
	if b.joins[one].Generation != 1 || b.joins[two].Generation != 1 || len(b.joins[one].Members) != 2 {
		t.Errorf("%+v", b.joins)
	}
}

func TestJoin_UnchangedFollowersDoNotDisturb(t *testing.T) {
	b := newTable(t)
	ids := b.stable(3)
	generation := b.m.Generation
	_, res := b.join(joining(ids[1]))
	if res.Generation != generation || b.m.Current() != Stable {
		t.Errorf("a follower that changed nothing: %+v, group %s", res, b.m.Current())
	}
	r := joining(ids[1])
	r.Protocols = []Protocol{{"range", wants("bb")}}
	b.join(r)
	if b.m.Current() != Preparing {
		t.Errorf("a follower with another subscription: group %s", b.m.Current())
	}
	b.is(b.heartbeat(ids[0], generation), ErrRebalanceInProgress)
	_, sync := b.sync(SyncRequest{MemberID: ids[2], Generation: generation})
	b.is(sync.Err, ErrRebalanceInProgress)
}

func TestJoin_WhoDoesNotJoinInTimeIsOut(t *testing.T) {
	b := newTable(t)
	ids := b.stable(2)
	generation := b.m.Generation
	leader, _ := b.join(joining(ids[0]))
	for range 3 {
		b.pass(7 * time.Second)
		_ = b.heartbeat(ids[1], generation) // alive, but it does not join
	}
	if got := b.joins[leader]; got.Generation != generation+1 || len(got.Members) != 1 {
		t.Errorf("joined as %+v", got)
	}
	b.is(b.heartbeat(ids[1], generation), ErrUnknownMember)
}

func TestSync_SaysWhatIsWrong(t *testing.T) {
	b := newTable(t)
	_, res := b.sync(SyncRequest{MemberID: "who"})
	b.is(res.Err, ErrUnknownMember) // also of a group that is not there
	ids := b.stable(2)
	generation := b.m.Generation
	_, res = b.sync(SyncRequest{MemberID: ids[0], Generation: generation - 1})
	b.is(res.Err, ErrIllegalGeneration)
	other := "other"
	_, res = b.sync(SyncRequest{MemberID: ids[0], Generation: generation, Protocol: &other})
	b.is(res.Err, ErrInconsistentProtocol)
	_, res = b.sync(SyncRequest{MemberID: ids[1], Generation: generation})
	if res.Err != nil || len(res.Assignment) == 0 {
		t.Errorf("again in a stable group: %+v", res)
	}
	b.is(b.heartbeat(ids[0], generation+1), ErrIllegalGeneration)
	b.is(b.heartbeat("who", generation), ErrUnknownMember)
	b.is(b.leave("who"), ErrUnknownMember)
}

func TestSync_FollowersWaitForTheLeader(t *testing.T) {
	b := newTable(t)
	ids := b.stable(2)
	b.join(joining(ids[1]))
	b.join(joining(ids[0]))
	if b.m.Current() != Preparing {
		t.Fatalf("group %s", b.m.Current())
	}
	b.join(joining(ids[1]))
	generation := b.m.Generation
	follower, res := b.sync(SyncRequest{MemberID: ids[1], Generation: generation})
	if _, ok := b.syncs[follower]; ok {
		t.Fatalf("answered before the leader came: %+v", res)
	}
	b.pass(9 * time.Second)
	b.is(b.heartbeat(ids[0], generation), nil)
	b.pass(9 * time.Second) // longer than a session: who waits for us is alive
	b.sync(SyncRequest{MemberID: ids[0], Generation: generation, Assignments: map[string][]byte{ids[1]: []byte("yours")}})
	if got := b.syncs[follower]; string(got.Assignment) != "yours" {
		t.Errorf("%+v", got)
	}
}

func TestSync_AFollowerThatComesAfterTheLeaderStays(t *testing.T) {
	b := newTable(t)
	ids := b.stable(2)
	b.join(joining(ids[0]))
	b.join(joining(ids[1]))
	generation := b.m.Generation
	for _, id := range ids { // the leader is the first
		_, res := b.sync(SyncRequest{MemberID: id, Generation: generation})
		b.is(res.Err, nil)
	}
	for range 4 { // longer than a rebalance may take
		b.pass(9 * time.Second)
		for _, id := range ids {
			b.is(b.heartbeat(id, generation), nil)
		}
	}
}

func TestSync_ALeaderThatDoesNotAssignIsOut(t *testing.T) {
	b := newTable(t)
	ids := b.stable(2)
	b.join(joining(ids[0]))
	b.join(joining(ids[1]))
	generation := b.m.Generation
	follower, _ := b.sync(SyncRequest{MemberID: ids[1], Generation: generation})
	b.pass(9 * time.Second)
	_ = b.heartbeat(ids[0], generation)
	b.pass(9 * time.Second)
	_ = b.heartbeat(ids[0], generation)
	b.pass(3 * time.Second)
	b.is(b.syncs[follower].Err, ErrRebalanceInProgress)
	if b.m.Members[ids[0]] != nil {
		t.Error("the leader is still there")
	}
}

func static(id, instance string) JoinRequest {
	r := joining(id)
	r.Instance, r.MaySkip = instance, true
	return r
}

func TestStatic_TakesItsPlaceWithoutARebalance(t *testing.T) {
	b := newTable(t)
	_, first := b.join(static("", "i"))
	b.sync(SyncRequest{MemberID: first.MemberID, Instance: "i", Generation: 1, Assignments: map[string][]byte{first.MemberID: []byte("mine")}})
	_, again := b.join(static("", "i"))
	if again.Err != nil || again.Generation != 1 || again.MemberID == first.MemberID || !again.SkipAssignment || again.Leader != again.MemberID || len(again.Members) != 1 {
		t.Errorf("back as %+v", again)
	}
	old := static("", "i")
	old.MaySkip = false
	_, third := b.join(old)
	if third.Err != nil || third.Leader == third.MemberID || len(third.Members) != 0 {
		t.Errorf("a client that cannot skip leads: %+v", third)
	}
	err := b.m.Heartbeat(b.now, HeartbeatRequest{MemberID: first.MemberID, Instance: "i", Generation: 1})
	b.is(err, ErrFencedInstance)
	_, sync := b.sync(SyncRequest{MemberID: third.MemberID, Instance: "i", Generation: 1})
	if string(sync.Assignment) != "mine" {
		t.Errorf("it has %q", sync.Assignment)
	}
	b.takeover()
	b.is(b.m.Heartbeat(b.now, HeartbeatRequest{MemberID: again.MemberID, Instance: "i", Generation: 1}), ErrFencedInstance)
	b.is(b.m.Heartbeat(b.now, HeartbeatRequest{MemberID: third.MemberID, Instance: "i", Generation: 1}), nil)
	b.is(b.m.Leave(b.now, []LeaveRequest{{Instance: "i", MemberID: "who"}}, b.topics)[0], ErrFencedInstance)
	b.is(b.m.Leave(b.now, []LeaveRequest{{Instance: "nobody"}}, b.topics)[0], ErrUnknownMember)
	b.is(b.m.Leave(b.now, []LeaveRequest{{Instance: "i"}}, b.topics)[0], nil)
}

func TestStatic_StaysInTheGroupWhileItIsAway(t *testing.T) {
	b := newTable(t)
	_, one := b.join(static("", "i"))
	b.sync(SyncRequest{MemberID: one.MemberID, Instance: "i", Generation: 1})
	two, _ := b.join(joining(""))
	for range 2 { // its session is refreshed, but it does not join
		b.pass(8 * time.Second)
		_ = b.m.Heartbeat(b.now, HeartbeatRequest{MemberID: one.MemberID, Instance: "i", Generation: 1})
	}
	b.pass(4 * time.Second)
	if got := b.joins[two]; got.Generation != 2 || len(got.Members) != 2 || got.Leader != got.MemberID {
		t.Errorf("%+v", got)
	}
}

func TestTakeover_MembersGoOnWithTheirGeneration(t *testing.T) {
	b := newTable(t)
	ids := b.stable(3)
	generation := b.m.Generation
	b.pass(9 * time.Second)
	b.takeover()
	b.pass(9 * time.Second) // the session began anew
	for _, id := range ids {
		b.is(b.heartbeat(id, generation), nil)
	}
	b.pass(11 * time.Second)
	if b.m.Current() != Empty || b.m.Generation != generation+1 {
		t.Errorf("nobody is left: group %s of generation %d", b.m.Current(), b.m.Generation)
	}
}

func TestTakeover_BetweenJoinAndSyncKeepsTheGeneration(t *testing.T) {
	b := newTable(t)
	ids := b.stable(2)
	b.join(joining(ids[0]))
	b.join(joining(ids[1]))
	generation := b.m.Generation
	b.takeover()
	if b.m.Generation != generation || b.m.Current() != Completing {
		t.Fatalf("generation %d, group %s", b.m.Generation, b.m.Current())
	}
	follower, _ := b.sync(SyncRequest{MemberID: ids[1], Generation: generation})
	b.sync(SyncRequest{MemberID: ids[0], Generation: generation, Assignments: map[string][]byte{ids[1]: []byte("x")}})
	if string(b.syncs[follower].Assignment) != "x" {
		t.Errorf("%+v", b.syncs[follower])
	}
}

func TestAbandon_AMemberWhoseClientIsGoneRunsOut(t *testing.T) {
	b := newTable(t)
	ids := b.stable(2)
	ticket, _ := b.join(joining(ids[0]))
	b.m.Abandon(b.now, ticket)
	b.settle()
	b.pass(11 * time.Second)
	if b.m.Members[ids[0]] != nil {
		t.Error("it is still there")
	}
}

func TestCommit_IsForMembersOfTheGeneration(t *testing.T) {
	b := newTable(t)
	b.is(b.m.CheckCommit(CommitCheck{Generation: -1}), nil)
	b.is(b.m.CheckCommit(CommitCheck{MemberID: "m", Generation: 1}), ErrIllegalGeneration)
	b.is(b.m.CheckCommit(CommitCheck{MemberID: "m", Generation: 1, NewErrors: true}), ErrUnknownGroup)
	ids := b.stable(2)
	g := b.m.Generation
	b.is(b.m.CheckCommit(CommitCheck{Generation: -1}), ErrUnknownMember)
	b.is(b.m.CheckCommit(CommitCheck{MemberID: "who", Generation: g}), ErrUnknownMember)
	b.is(b.m.CheckCommit(CommitCheck{MemberID: ids[0], Generation: g - 1}), ErrIllegalGeneration)
	b.is(b.m.CheckCommit(CommitCheck{MemberID: ids[0], Generation: g}), nil)
	b.join(joining(ids[0]))
	b.is(b.m.CheckCommit(CommitCheck{MemberID: ids[1], Generation: g}), nil) // the last chance before the next generation
	b.join(joining(ids[1]))
	b.is(b.m.CheckCommit(CommitCheck{MemberID: ids[1], Generation: g + 1}), ErrRebalanceInProgress)
}
