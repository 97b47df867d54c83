package restore_test

import (
	"strconv"
	"testing"

	"github.com/firnlog/firnlog/core/coretest"
	"github.com/firnlog/firnlog/core/record"
)

// Blocks of producer ids that were taken after the last journaled revision are in use, and no backup knows of them.
func TestRestore_ProducerIDsTakenAfterTheJournalAreNotHandedOutAgain(t *testing.T) {
	bubble(t, func(t *testing.T, w *world, tp record.TopicPartition) {
		in := w.instance("a")
		in.MustProduce(coretest.Plain(tp, "x"))
		w.Put(w.Keys.ProducersNext(), []byte("1000"))
		w.backup()
		w.Put(w.Keys.ProducersNext(), []byte("300000"))
		in.Stop()
		w.lose()
		w.restore()
		next, err := strconv.Atoi(string(w.Items(w.Keys.ProducersNext())[0].Value))
		if err != nil || next < 300_000 {
			t.Errorf("next is %d, %v: ids below 300000 are in use", next, err)
		}
	})
}
