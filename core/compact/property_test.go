package compact_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/firnlog/firnlog/core/compact"
	"github.com/firnlog/firnlog/core/record"
)

// act does something at random: writes, transactions, settling, compaction by one or two, a restart, deletion, time.
func (f *fixture) act() {
	switch n := f.dice.IntN(20); {
	case n < 9:
		f.write()
	case n < 12:
		f.end(f.id(), f.dice.IntN(2) == 0)
	case n < 15:
		f.settleAll()
	case n < 17:
		f.settleAll()
		f.compactAll()
	case n == 17:
		f.settleAll()
		f.together()
	case n == 18:
		f.compactor = f.compactorOf(f.a)
		time.Sleep(time.Duration(f.dice.IntN(int(tombstones))))
	default:
		if f.dice.IntN(3) == 0 {
			if _, err := f.a.Upkeep.DeleteRecords(f.t.Context(), f.tp, record.Offset(f.dice.IntN(len(f.log)+1))); err != nil && len(f.log) > 0 {
				f.t.Fatal(err)
			}
		}
	}
}

func (f *fixture) id() string { return fmt.Sprintf("x%d", f.dice.IntN(3)) }

func (f *fixture) write() {
	var pairs [][2]string
	for range 1 + f.dice.IntN(6) {
		f.count++
		value := fmt.Sprintf("%d%0*d", f.count, f.dice.IntN(120), 0)
		if f.dice.IntN(4) == 0 {
			value = ""
		}
		pairs = append(pairs, [2]string{fmt.Sprintf("k%d", f.dice.IntN(20)), value})
	}
	id := ""
	if f.dice.IntN(2) == 0 {
		id = f.id()
	}
	f.send(id, record.Codec(f.dice.IntN(5)), pairs...)
}

// together lets two compactors work at the same time.
func (f *fixture) together() {
	other := f.compactorOf(f.a)
	done := make(chan error, 2)
	for _, c := range []*compact.Compactor{f.compactor, other} {
		go func() { done <- c.Run(f.t.Context()) }()
	}
	if err := errors.Join(<-done, <-done); err != nil {
		f.t.Fatal(err)
	}
}

func TestCompact_ReadersSeeTheLastRecordOfEachKey(t *testing.T) {
	walks, dropped := 0, int64(0)
	for seed := range uint64(25) {
		bubble(t, seed, nil, func(f *fixture) {
			for range 120 {
				f.act()
				if f.dice.IntN(6) == 0 {
					f.check()
				}
			}
			for id := range f.txns {
				f.end(id, f.dice.IntN(2) == 0)
			}
			for range 3 { // so long that all tombstones and markers may go
				time.Sleep(2 * tombstones)
				f.write()
				f.settleAll()
				f.compactAll()
				f.check()
			}
			for _, r := range f.reports {
				walks++
				dropped += r.RecordsDropped
			}
			if t.Failed() {
				f.t.Logf("seed %d", seed)
			}
		})
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
	if walks < 100 || dropped < 1000 {
		t.Errorf("%d walks dropped %d records: that proves little", walks, dropped)
	}
}
