package fetch_test

import (
	"errors"
	"testing"

	"github.com/firnlog/firnlog/core/coretest"
	"github.com/firnlog/firnlog/core/fetch"
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
