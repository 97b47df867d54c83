package main

import (
	"cmp"
	"crypto/rand"
	"fmt"
	mathrand "math/rand/v2"
	"os"
	"time"

	"github.com/alecthomas/kong"

	"github.com/firnlog/firnlog/core/config"
	"github.com/firnlog/firnlog/core/maintain"
	"github.com/firnlog/firnlog/functions/emf"
	"github.com/firnlog/firnlog/functions/place"
)

// open reads the settings that this function has beside those of all, and puts it together.
func open(p *place.Place) (*maintain.Maintainer, error) {
	var c config.Maintenance
	parser, err := kong.New(&c, kong.Exit(func(int) {}))
	if err != nil {
		return nil, fmt.Errorf("settings: %w", err)
	}
	if _, err := parser.Parse(nil); err != nil {
		return nil, fmt.Errorf("settings: %w", err)
	}
	s := maintain.Settings{
		Store: p.Store, KV: p.KV, Cluster: p.Config.Cluster, Now: time.Now, Entropy: rand.Reader, Random: mathrand.Float64, Log: p.Log,
		MayBegin: p.MayBegin, Elsewhere: p.Config.ColdStore != "", Holder: "function " + cmp.Or(os.Getenv("AWS_LAMBDA_FUNCTION_NAME"), "maintenance"),
	}.Defaults()
	s.Margin, s.BytesPerSecond = p.Config.Margin, int64(c.BytesPerSecond)
	s.SettleBytes, s.SettleAge, s.CompactKeys = int64(c.SettleBytes), c.SettleAge, int64(c.CompactKeys)
	s.JournalEvery, s.BackupEvery, s.BackupKeep, s.BackupKeepFor = c.JournalEvery, c.BackupEvery, c.BackupKeep, c.BackupKeepFor
	s.SweepEvery, s.SettledEvery, s.ScrubRate, s.OffsetsRetention = c.SweepEvery, c.SweepSettled, int64(c.ScrubRate), c.OffsetsRetention
	return maintain.New(s, rand.Text()), nil
}

// counted tells what a report says.
func counted(r *maintain.Report, add emf.Add) {
	if r == nil || r.HeldBy != "" {
		return
	}
	add("StepsDone", emf.Count, float64(len(r.Done)))
	add("StepsOverdue", emf.Count, float64(len(r.Overdue)))
	add("StepsFailed", emf.Count, float64(len(r.Failed)))
	add("SettledBytes", emf.Bytes, float64(r.SettledBytes))
	add("DeletedObjects", emf.Count, float64(r.DeletedObjects))
	add("Damaged", emf.Count, float64(r.Damaged))
	add("RetentionOverduePartitions", emf.Count, float64(r.RetentionOverdue))
	add("FloorBehindMilliseconds", emf.Milliseconds, float64(r.CommitsBehindMs))
}
