package ingest

import "time"

// due is until when a batch may wait for others; g.mu is held. A segment is a PUT, and PUTs are money: of segments that are not full there is
// at most one in a linger, counted from the last one, however batches come. So a batch that comes to an idle instance waits only for
// those of its own burst, and one that comes to a busy instance finds the rest of a linger.
//
// Waits are measured by this process's own clock, which only goes forward, and not by g.Now: a clock that is set back
// would keep a batch waiting for as long.
//
// Rejected: sealing whenever no put is on its way. On S3 a trickle would be 9 PUTs a second instead of 4.
func (g *Ingest) due(linger time.Duration) time.Time {
	now := time.Now()
	at := now.Add(linger)
	if g.IdleLinger == 0 {
		return at
	}
	next := now.Add(g.IdleLinger)
	if rest := g.mu.sealed.Add(linger); rest.After(next) {
		next = rest
	}
	if next.Before(at) {
		at = next
	}
	return at
}

// untilDue says how long the next segment may still gather, and why it is sealed then; "": there is nothing to seal.
func (g *Ingest) untilDue() (wait time.Duration, why SealReason) {
	g.mu.Lock()
	defer g.mu.Unlock()
	due, full, any := g.mu.batcher.Due()
	switch {
	case !any:
		return 0, ""
	case full:
		return 0, SealFull
	case g.mu.closing:
		return 0, SealStop
	}
	return time.Until(due), SealLinger
}
