package maintain_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/firnlog/firnlog/core/coretest"
	"github.com/firnlog/firnlog/core/group"
	"github.com/firnlog/firnlog/core/maintain"
)

// The brokers go, and with them the only ones who heard the members of their groups. Visits put them out after a grace, and then the offsets
// expire; a transaction that nobody ends is aborted.
func TestVisit_GroupsWhoseMembersAreGoneLoseThemAndThenTheirOffsets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.change = func(s *maintain.Settings) { s.OffsetsRetention = time.Hour }
		id := w.CreateTopic("a", 1)
		b := w.Instance("b", coretest.Options{}).Ready()
		b.Barrier()
		ctx, stop := context.WithCancel(t.Context())
		over := make(chan struct{})
		go func() { defer close(over); _ = b.Groups.Run(ctx) }()
		joined, err := b.Groups.ConsumerHeartbeat(t.Context(), "consumers", group.ConsumerRequest{Names: []string{"a"}, RebalanceMs: 1000, NewID: "m"})
		if err != nil {
			t.Fatal(err)
		}
		classic := b.Groups.Join(t.Context(), "classic", group.JoinRequest{SessionMs: 30_000, RebalanceMs: 1000, ProtocolType: "consumer", Protocols: []group.Protocol{{Name: "range"}}})
		if classic.Err != nil {
			t.Fatal(classic.Err)
		}
		if r := b.Groups.Sync(t.Context(), "classic", group.SyncRequest{MemberID: classic.MemberID, Generation: classic.Generation}); r.Err != nil {
			t.Fatal(r.Err)
		}
		topics := []group.CommitTopic{{Name: "a", ID: id, Partitions: map[int32]group.Committed{0: {Offset: 7}}}}
		for name, check := range map[string]group.CommitCheck{"consumers": {MemberID: joined.MemberID, Generation: joined.Epoch, NewErrors: true}, "classic": {MemberID: classic.MemberID, Generation: classic.Generation}} {
			if err := b.Groups.CommitOffsets(t.Context(), name, group.CommitRequest{CommitCheck: check, Topics: topics}); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
		stop()
		<-over
		_ = b.Stop()
		out, kept := 0, 0
		for m := range 100 {
			w.minute()
			r := w.visit(time.Minute)
			if len(r.Failed) > 0 {
				t.Fatalf("%+v", r)
			}
			if out += r.MembersOut; m == 45 {
				kept = w.groupKeys()
			}
		}
		if out != 2 {
			t.Errorf("%d members were put out, want both", out)
		}
		if kept < 4 {
			t.Errorf("%d keys of groups after 45 minutes: offsets are kept for an hour", kept)
		}
		if n := w.groupKeys(); n > 0 {
			t.Errorf("%d keys of groups are left", n)
		}
	})
}

func (w *world) groupKeys() (n int) {
	for _, it := range w.Items(w.Keys.Groups()) {
		if !strings.Contains(it.Key, "/grace") {
			n++
		}
	}
	return n
}
