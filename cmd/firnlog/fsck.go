package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/firnlog/firnlog/core/config"
	"github.com/firnlog/firnlog/core/fsck"
	"github.com/firnlog/firnlog/core/telemetry"
)

type fsckCommand struct{ config.Fsck }

// exit codes of fsck beside 0.
const (
	exitHarm      = 1
	exitUnchecked = 2
)

// Run checks. Exit codes: 0 nothing harms; 1 something does; 2 it could not be checked, or not all of it.
func (c *fsckCommand) Run(ctx context.Context) error {
	if err := c.Check(); err != nil {
		return exitError{err, exitUnchecked}
	}
	p, err := openPlace(ctx, &c.Place)
	if err != nil {
		return exitError{err, exitUnchecked}
	}
	defer p.Close()
	shown, started := newProgress(), time.Now()
	r, err := fsck.New(fsck.Settings{
		Store: p.Store, KV: p.KV, Cluster: c.Cluster, Now: time.Now, Log: telemetry.NewLogger(os.Stderr, "warn"),
		Deep: c.Deep, Sample: c.Sample, Seed: uint64(started.UnixNano()), After: c.After, Progress: shown.show,
	}).Check(ctx)
	shown.done()
	if err != nil && !errors.Is(err, fsck.ErrInterrupted) && len(r.Findings) == 0 {
		return exitError{fmt.Errorf("could not check: %w", err), exitUnchecked}
	}
	if c.JSON {
		if err := json.NewEncoder(os.Stdout).Encode(r); err != nil {
			return err
		}
	} else {
		printCheck(os.Stdout, r, c.Deep || c.Sample > 0, time.Since(started))
	}
	switch {
	case r.Harm():
		return exitError{errors.New("something is wrong: see the report"), exitHarm}
	case err != nil:
		return exitError{fmt.Errorf("could not check everything: %w", err), exitUnchecked}
	}
	return nil
}

func printCheck(w io.Writer, r *fsck.Report, deep bool, took time.Duration) {
	c := &r.Counts
	fmt.Fprintf(w, "cluster %s, era %s, as of revision %d, in %v\n", r.Cluster, r.Era, r.Revision, took.Round(time.Millisecond))
	fmt.Fprintf(w, "  etcd    %s with %s; %s, %s, %s, %s\n", plural(int64(c.Topics), "topic", "topics"), plural(int64(c.Partitions), "partition", "partitions"), plural(int64(c.Heads), "head", "heads"),
		plural(int64(c.Commits), "commit", "commits"), plural(int64(c.Groups), "group", "groups"), plural(int64(c.Transactions), "transactional id", "transactional ids"))
	fmt.Fprintf(w, "  bucket  %s of %s; %s, %s of manifests; %s, %s\n", plural(c.Objects, "object", "objects"), size(c.ObjectBytes), plural(c.References, "reference", "references"), plural(c.Manifests, "object", "objects"),
		plural(int64(c.Backups), "backup", "backups"), plural(int64(c.Journals), "journal object", "journal objects"))
	if deep {
		fmt.Fprintf(w, "  bytes   %s in %s of %s read and checked\n", size(c.DeepBytes), plural(c.DeepBatches, "batch", "batches"), plural(c.DeepStretch, "reference", "references"))
	}
	if c.Again > 0 || c.DeepReplaced > 0 {
		fmt.Fprintf(w, "  replaced by maintenance meanwhile, and looked at again: %s, %s\n", plural(int64(c.Again), "partition", "partitions"), plural(c.DeepReplaced, "reference", "references"))
	}
	harm := len(r.Errors())
	for i := range r.Findings {
		printFinding(w, &r.Findings[i])
	}
	for kind, n := range r.More {
		fmt.Fprintf(w, "and %d more of %s\n", n, kind)
		harm += n
	}
	switch {
	case r.Interrupted && r.Next != "":
		fmt.Fprintf(w, "interrupted; to go on reading bytes: --after %q\n", r.Next)
	case r.Interrupted:
		fmt.Fprintln(w, "interrupted: not everything was checked")
	case !r.Harm():
		fmt.Fprintln(w, "nothing is wrong")
	}
	if r.Harm() {
		fmt.Fprintf(w, "%s harm\n", plural(int64(harm), "finding does", "findings do"))
	}
}

func printFinding(w io.Writer, f *fsck.Finding) {
	where := f.Where
	if where != "" {
		where += ": "
	}
	fmt.Fprintf(w, "%-7s %s  %s%s\n        means: %s\n        do:    %s\n", f.Severity, f.Kind, where, f.What, f.Means, f.Do)
	for _, key := range f.Keys {
		fmt.Fprintf(w, "        %s\n", key)
	}
}

// size is bytes as people read them.
func size(n int64) string {
	const unit = 1024
	if n < unit {
		return plural(n, "byte", "bytes")
	}
	v, i := float64(n)/unit, 0
	for ; v >= unit && i < 4; i++ {
		v /= unit
	}
	return fmt.Sprintf("%.1f %ciB", v, "KMGTP"[i])
}
