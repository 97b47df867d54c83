package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/firnlog/firnlog/core/config"
	"github.com/firnlog/firnlog/core/restore"
	"github.com/firnlog/firnlog/core/telemetry"
)

type restoreCommand struct{ config.Restore }

// Run rebuilds etcd. Exit codes: 0 done; 1 failed, run it again; 2 refused, nothing was changed; 3 done, and something that
// was acknowledged is missing.
func (c *restoreCommand) Run(ctx context.Context) error {
	p, err := openPlace(ctx, &c.Place)
	if err != nil {
		return err
	}
	defer p.Close()
	shown := newProgress()
	s := restore.Settings{
		Store: p.Store, KV: p.KV, Cluster: c.Cluster, Now: time.Now, Entropy: rand.Reader, Log: telemetry.NewLogger(os.Stderr, "warn"),
		Journal: c.Backup == "", Overwrite: c.Overwrite, Progress: shown.show,
	}
	if c.Backup != "" {
		if s.Backup, err = ulid.ParseStrict(c.Backup); err != nil {
			return fmt.Errorf("--backup %s: want the id of a backup", c.Backup)
		}
	}
	started := time.Now()
	r, err := restore.Prepare(ctx, s)
	if err == nil && !c.DryRun {
		err = r.Apply(ctx)
	}
	shown.done()
	if err != nil {
		return refusal(err, c.Cluster)
	}
	if c.JSON {
		err = json.NewEncoder(os.Stdout).Encode(r.Report)
	} else {
		printReport(os.Stdout, &r.Report, c.DryRun, time.Since(started))
	}
	if err == nil && r.Report.Lossy() {
		err = exitError{errors.New("restored, but something is missing: see the report"), exitLossy}
	}
	return err
}

// refusal says what to do about what was refused.
func refusal(err error, cluster string) error {
	switch {
	case errors.Is(err, restore.ErrNotEmpty):
		return exitError{fmt.Errorf("%w. Nothing was changed. Is this the right etcd, and --cluster %s the right name? To delete what it holds and restore all the same: --overwrite", err, cluster), exitRefused}
	case errors.Is(err, restore.ErrNoBackup), errors.Is(err, restore.ErrCluster):
		return exitError{fmt.Errorf("%w. Nothing was changed", err), exitRefused}
	case errors.Is(err, restore.ErrTaken):
		return fmt.Errorf("%w; look at what serves there (a broker with --begin-anew, another restore?), and run it again", err)
	}
	return err
}

func printReport(w io.Writer, r *restore.Report, dry bool, took time.Duration) {
	verb := "restored"
	if dry {
		verb = "would restore (dry run, nothing was written)"
	}
	fmt.Fprintf(w, "%s cluster %s in %v\n", verb, r.Cluster, took.Round(time.Millisecond))
	fmt.Fprintf(w, "  from backup %s of %s and %s, up to revision %d of the old etcd\n", r.Backup, r.Taken.Format(time.RFC3339), plural(int64(r.JournalObjects), "journal object", "journal objects"), r.Through)
	fmt.Fprintf(w, "  new era %s (it was %s)\n", r.Era, r.OldEra)
	fmt.Fprintf(w, "  %s with %s and %s, %s, %s; %s in etcd\n", plural(int64(r.Topics), "topic", "topics"), plural(int64(r.Partitions), "partition", "partitions"),
		plural(r.Records, "offset", "offsets"), plural(int64(r.Groups), "group", "groups"), plural(int64(r.Transactions), "transactional id", "transactional ids"), plural(int64(r.Keys), "key", "keys"))
	for _, p := range r.PassedOver {
		fmt.Fprintf(w, "  passed over backup %s: %s\n", p.Backup, p.Why)
	}
	if r.Gap != "" {
		fmt.Fprintf(w, "  the journal has a gap: %s\n", r.Gap)
	}
	printAfter(w, r)
	printMissing(w, r)
}

// printAfter is about what came after the last journal object.
func printAfter(w io.Writer, r *restore.Report) {
	if len(r.PutBack) == 0 {
		fmt.Fprintln(w, "  nothing was found that came after: all offsets are as they were")
	} else {
		fmt.Fprintf(w, "  put back from %s that came after, at offsets that may not be those that were acknowledged: %s\n", plural(int64(r.Segments), "segment", "segments"), plural(r.RecordsPutBack(), "record", "records"))
		for _, p := range r.PutBack {
			fmt.Fprintf(w, "    %s/%d: offsets %d to %d (%s)\n", p.Topic, p.Partition, p.From, p.To-1, plural(p.Records, "record", "records"))
		}
	}
	for _, g := range r.Grown {
		fmt.Fprintf(w, "  partitions were added after: %s\n", g)
	}
	if r.Transactional > 0 {
		fmt.Fprintf(w, "  left out, since the end of their transactions is not known: %s\n", plural(r.Transactional, "record", "records"))
	}
	if r.Refused > 0 {
		fmt.Fprintf(w, "  left out, since what they follow is not there: %s\n", plural(r.Refused, "record", "records"))
	}
	if len(r.Aborted) > 0 {
		fmt.Fprintf(w, "  open transactions aborted: %s\n", joined(r.Aborted))
	}
	if len(r.Fenced) > 0 {
		fmt.Fprintf(w, "  transactional producers that must begin anew: %s\n", joined(r.Fenced))
	}
	for _, c := range r.Clamped {
		fmt.Fprintf(w, "  group %s, %s/%d: committed offset %d is beyond the end, now %d\n", c.Group, c.Topic, c.Partition, c.From, c.To)
	}
}

func printMissing(w io.Writer, r *restore.Report) {
	for _, u := range r.Unknown {
		fmt.Fprintf(w, "  LOST: %s of a topic that was made after the last journal object; its id is %s, its name is not known\n", plural(u.Records, "record", "records"), u.ID)
	}
	for _, m := range r.Missing {
		fmt.Fprintf(w, "  LOST: %s/%d, offsets %d to %d: object %s is not in the bucket\n", m.Topic, m.Partition, m.From, m.To-1, m.Object)
	}
	for _, key := range r.Unreadable {
		fmt.Fprintf(w, "  LOST: segment %s is damaged\n", key)
	}
}
