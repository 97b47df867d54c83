//go:build nextformat

package upgrade

import (
	"errors"
	"testing"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/coordination/memory"
	"github.com/firnlog/firnlog/core/ledger"
)

func TestRaise_ChangesTheVersionAloneAndOnce(t *testing.T) {
	kv := memory.New(memory.Settings{})
	key := coordination.NewKeys("c").Format()
	put(t, kv, key, ledger.Format{Version: 1, Era: "e", Since: 7}.Encode())
	live(t, kv, 0, 1)
	p, err := Look(t.Context(), kv, "c", 2)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Raise(t.Context(), kv, false); !errors.Is(err, ErrBehind) {
		t.Errorf("%v, want ErrBehind", err)
	}
	live(t, kv, 0, 2)
	if p, err = Look(t.Context(), kv, "c", 2); err != nil {
		t.Fatal(err)
	}
	if err := p.Raise(t.Context(), kv, false); err != nil {
		t.Fatal(err)
	}
	f, err := ledger.DecodeFormat([]byte(formatOf(t, kv)))
	if want := (ledger.Format{Version: 2, Era: "e", Since: 7}); err != nil || f != want {
		t.Errorf("%+v, %v, want %+v", f, err, want)
	}
	if err := p.Raise(t.Context(), kv, false); !errors.Is(err, ErrMoved) {
		t.Errorf("the same plan again: %v, want ErrMoved", err)
	}
}
