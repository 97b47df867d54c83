package fetch_test

import (
	"errors"
	"testing"
	"testing/synctest"

	"github.com/firnlog/firnlog/core/coretest"
	"github.com/firnlog/firnlog/core/fetch"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/manifest"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/stream"
)

func TestInspector_SizesAndProducersOfWhatAnotherInstanceWrote(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		one := coretest.Plain(f.tp, "x")
		f.a.MustProduce(one, coretest.Plain(f.part(1), "y"))
		f.a.MustProduce(one, coretest.Idempotent(f.part(2), 9, 4, 0, "z", "z"))
		if err := f.b.Stream.Barrier(t.Context()); err != nil {
			t.Fatal(err)
		}
		n, err := f.b.Fetch.Bytes(f.tp)
		if err != nil || n != 2*int64(len(one.Batch)) {
			t.Errorf("%d bytes, %v; want two batches of %d", n, err, len(one.Batch))
		}
		if n, err := f.b.Fetch.Bytes(record.TopicPartition{Topic: f.tp.Topic, Partition: 5000}); n != 0 || err != nil {
			t.Errorf("unknown partition: %d bytes, %v", n, err)
		}
		if known, err := f.b.Fetch.Producers(f.part(2)); len(known) != 1 || err != nil || known[0] != (fetch.Producer{ID: 9, Epoch: 4, Last: 1, Open: -1}) {
			t.Errorf("%v, %v", known, err)
		}
		if known, err := f.b.Fetch.Producers(f.tp); len(known) != 0 || err != nil {
			t.Errorf("%v, %v", known, err)
		}
	})
}

func TestInspector_NotReadyIsUnavailable(t *testing.T) {
	f := fetch.New(fetch.Settings{Stream: stream.New(stream.Settings{})})
	if _, err := f.Bytes(record.TopicPartition{}); !errors.Is(err, fetch.ErrUnavailable) {
		t.Error(err)
	}
	if _, err := f.Producers(record.TopicPartition{}); !errors.Is(err, fetch.ErrUnavailable) {
		t.Error(err)
	}
}

// Anomaly 19: sizes too are of all there is, wherever it lies.
func TestInspector_CountsManifestSettledAndFresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLibrary(t)
		one, two := l.settle(ledger.InOwn, 0, 5, l.plain(0, 1, "x")), l.settle(ledger.InShared, 5, 9, l.plain(5, 1, "y"))
		l.archive(nil, []manifest.Entry{one})
		l.refer(two)
		l.publish()
		in := l.Instance("a", coretest.Options{}).Ready()
		fresh := coretest.Plain(l.tp, "z")
		if base := in.MustProduce(fresh)[0]; base != 9 {
			t.Errorf("base %d", base)
		}
		if n, err := in.Fetch.Bytes(l.tp); err != nil || n != one.Length+two.Length+int64(len(fresh.Batch)) {
			t.Errorf("%d bytes, %v", n, err)
		}
		if got := in.Read(l.tp, 5); got.Err != nil || len(coretest.Records(t, got.Batches)) != 2 {
			t.Errorf("%+v", got)
		}
	})
}
