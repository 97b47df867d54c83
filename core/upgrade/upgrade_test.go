package upgrade

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/coordination/memory"
	"github.com/firnlog/firnlog/core/instance"
	"github.com/firnlog/firnlog/core/ledger"
)

func put(t *testing.T, kv *memory.KV, key string, value []byte) {
	t.Helper()
	if _, err := kv.Commit(t.Context(), nil, []coordination.Change{coordination.PutKey(key, value)}); err != nil {
		t.Fatal(err)
	}
}

func live(t *testing.T, kv *memory.KV, node int32, newest int) {
	t.Helper()
	value, err := json.Marshal(instance.Info{Endpoints: []instance.Endpoint{{Host: "h", Port: 9092}}, Version: "v", Started: time.Unix(0, 0), FormatNewest: newest})
	if err != nil {
		t.Fatal(err)
	}
	put(t, kv, coordination.NewKeys("c").Instance(node), value)
}

func formatOf(t *testing.T, kv *memory.KV) string {
	t.Helper()
	snap, err := kv.Get(t.Context(), coordination.NewKeys("c").Format())
	if err != nil {
		t.Fatal(err)
	}
	return string(snap.Items[0].Value)
}

// before is a cluster of the version before this build's, so that there is something to raise.
func before(t *testing.T) (*memory.KV, string) {
	t.Helper()
	kv := memory.New(memory.Settings{})
	put(t, kv, coordination.NewKeys("c").Format(), ledger.Format{Version: ledger.FormatVersion, Era: "e", Since: 7}.Encode())
	return kv, formatOf(t, kv)
}

func TestRaise_WhatIsInForceStaysAsItIs(t *testing.T) {
	kv, was := before(t)
	live(t, kv, 0, 0) // says nothing: knows version 1
	p, err := Look(t.Context(), kv, "c", ledger.FormatVersion)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Raise(t.Context(), kv, true); err != nil || formatOf(t, kv) != was {
		t.Errorf("%v, log/format %s, want %s", err, formatOf(t, kv), was)
	}
}

func TestLook_NamesWhoWouldStop(t *testing.T) {
	kv, was := before(t)
	live(t, kv, 3, ledger.FormatVersion+1)
	live(t, kv, 4, ledger.FormatVersion)
	live(t, kv, 5, 0)
	p, err := Look(t.Context(), kv, "c", ledger.FormatVersion+1)
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Live) != 3 || len(p.Behind) != 2 || p.Behind[0] != "node 4 (h:9092, v)" {
		t.Errorf("%d live, behind %q", len(p.Live), p.Behind)
	}
	if err := p.Raise(t.Context(), kv, true); !errors.Is(err, ErrLower) || formatOf(t, kv) != was {
		t.Errorf("to a version that this build does not know: %v, %s", err, formatOf(t, kv))
	}
}

func TestLook_ANewerFormatIsNotLowered(t *testing.T) {
	kv, _ := before(t)
	put(t, kv, coordination.NewKeys("c").Format(), ledger.Format{Version: ledger.FormatVersion + 1, Era: "e"}.Encode())
	if _, err := Look(t.Context(), kv, "c", ledger.FormatVersion); !errors.Is(err, ErrLower) || !errors.Is(err, ledger.ErrFormat) {
		t.Errorf("%v, want ErrLower and ErrFormat", err)
	}
	if _, err := Look(t.Context(), kv, "other", ledger.FormatVersion); !errors.Is(err, ledger.ErrNoCluster) {
		t.Errorf("%v, want ErrNoCluster", err)
	}
}
