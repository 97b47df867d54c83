package sim

import (
	"context"
	"time"

	"github.com/firnlog/firnlog/core/fsck"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/objectstore"
)

// fsck holds everything in etcd and in the bucket against each other, and reads every byte, while maintenance goes on.
func (w *world) fsck(ctx context.Context) {
	report, err := fsck.New(fsck.Settings{Store: objectstore.NewRouter(w.store, w.other, ledger.ColdPrefix), KV: w.kv, Cluster: "sim", Now: time.Now, Log: w.log, Deep: true}).Check(ctx)
	if ctx.Err() != nil {
		return
	}
	if err != nil {
		w.violated(Violation{Checker: "fsck", What: err.Error()})
		return
	}
	for _, f := range report.Errors() {
		w.violated(Violation{Checker: "fsck", Key: f.Where, What: string(f.Kind) + ": " + f.What})
	}
}
