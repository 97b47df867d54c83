package upkeep

import (
	"context"
	"time"
)

// sweepPace is waited between two pages of a listing of what is settled: 1,000 objects, up to 96 GB.
const sweepPace = 50 * time.Millisecond

// Sweep deletes segments and shared objects that nothing refers to, and what backups need no more (core/sweep).
func (u *Upkeep) Sweep(ctx context.Context) error { return u.sweeper.Sweep(ctx) }

// SweepSettled deletes what nothing refers to in the folders of partitions (core/sweep).
func (u *Upkeep) SweepSettled(ctx context.Context) error { return u.sweeper.SweepSettled(ctx) }
