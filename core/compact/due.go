package compact

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/manifest"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/topic"
	"github.com/firnlog/firnlog/objectstore"
)

// look is what was found at a partition: nothing to do before again, unless more was settled.
type look struct {
	settled record.Offset
	again   time.Time
}

// job is one partition as it was when it was looked at.
type job struct {
	tp       record.TopicPartition
	topic    *ledger.Topic
	start    record.Offset // log start
	settled  record.Offset // the end of what could be compacted
	manifest *ledger.Manifest
	spans    []ledger.Span // of the head, after the manifest, settled or inline, below the last stable offset
	aborted  []ledger.Aborted
	format   []byte // of the era of all this: keys are learnt from spans that another era may not have

	progress manifest.Compaction
	limit    record.Offset // min.compaction.lag.ms: what lies beyond is too young
	urgent   bool          // max.compaction.lag.ms
	ratio    float64
}

// next gives the partition that is most due: those too long uncompacted first, then the dirtiest.
func (c *Compactor) next(ctx context.Context) (best *job, err error) {
	jobs, err := c.candidates()
	if err != nil {
		return nil, err
	}
	for _, j := range jobs {
		due, again, err := c.weigh(ctx, j)
		if errors.Is(err, objectstore.ErrNotFound) {
			continue // replaced meanwhile
		}
		if err != nil {
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			c.Log.Error("a partition cannot be compacted", "topic", j.topic.Name, "partition", j.tp.Partition, "error", err)
			again = c.Now().Add(c.Retry)
		}
		if !due {
			c.seen[j.tp] = look{j.settled, again}
			continue
		}
		if best == nil || j.urgent && !best.urgent || j.urgent == best.urgent && j.ratio > best.ratio {
			best = j
		}
	}
	return best, nil
}

// candidates are the partitions of compacted topics that are worth a look, by what is in memory.
func (c *Compactor) candidates() (jobs []*job, err error) {
	now := c.Now()
	alive := map[record.TopicPartition]bool{}
	err = c.Stream.View(func(l *ledger.Ledger) {
		for _, t := range l.Topics() {
			if !topic.IsCompacted(t) {
				continue
			}
			for i := range t.Partitions {
				tp := record.TopicPartition{Topic: t.ID, Partition: i}
				alive[tp] = true
				j := jobOf(tp, t, l.Partition(tp))
				j.format = l.FormatValue()
				if seen, ok := c.seen[tp]; j.settled > j.start && (!ok || seen.settled != j.settled || !now.Before(seen.again)) {
					jobs = append(jobs, j)
				}
			}
		}
	})
	for tp := range c.seen {
		if !alive[tp] {
			delete(c.seen, tp)
		}
	}
	return jobs, err
}

// jobOf gathers what could be compacted: the manifest, and the spans behind it up to the first segment.
func jobOf(tp record.TopicPartition, t *ledger.Topic, p *ledger.Partition) *job {
	j := &job{tp: tp, topic: t, start: p.LogStart(), manifest: p.Manifest()}
	stable := min(p.LastStable(), p.Next())
	j.settled = j.start
	if j.manifest != nil {
		j.settled = j.manifest.End
	}
	for _, s := range p.Stored() {
		if s.End <= j.start {
			continue
		}
		joins := s.Base == j.settled || j.manifest == nil && len(j.spans) == 0
		if s.Inline == nil && !s.Settled() || s.End > stable || !joins {
			break
		}
		j.spans = append(j.spans, s)
		j.settled = s.End
	}
	j.aborted = p.AbortedIn(j.start, j.settled)
	return j
}

// weigh reads how far compaction has come, and says whether the partition is due; if not, when to look again.
//
// Due is as in Kafka: dirty bytes above min.cleanable.dirty.ratio of all, or the first dirty record older than
// max.compaction.lag.ms. Beside that there must be DirtyMin of them, or they are as old as segment.ms.
//
// A walk that is under way is due whatever is young: what it is to get through was old enough when it began. Since then settling may have
// merged that with younger records, which the walk copies, or min.compaction.lag.ms may have been raised. But where it was merged with
// records of an open transaction, the walk waits for the end of that: it would call clean what it cannot rewrite yet.
func (c *Compactor) weigh(ctx context.Context, j *job) (due bool, again time.Time, err error) {
	now := c.Now()
	least, most := topic.CompactionLag(j.topic)
	again = now.Add(time.Hour)
	var total, dirty int64
	var first *item
	for it, err := range c.items(ctx, j, j.start) {
		if err != nil {
			return false, again, err
		}
		if least > 0 && it.MaxTimestamp > now.Add(-least).UnixMilli() && (!j.progress.UnderWay() || it.Base >= j.progress.Through) {
			again = earlier(again, time.UnixMilli(it.MaxTimestamp).Add(least))
			break
		}
		j.limit = it.End
		total += it.Length
		if it.End > j.progress.Clean {
			dirty += it.Length
			if first == nil {
				first = &it
			}
		}
	}
	switch {
	case first == nil, j.progress.UnderWay() && j.settled < j.progress.Through:
		return false, again, nil
	case j.progress.UnderWay():
		j.ratio = 1
		return true, now, nil
	}
	j.ratio = float64(dirty) / float64(max(total, 1))
	if most < time.Duration(1<<62) {
		written, err := c.firstWritten(ctx, j, first)
		if err != nil {
			return false, again, err
		}
		if j.urgent = now.Sub(written) > most; j.urgent {
			return true, now, nil
		}
		again = earlier(again, written.Add(most+time.Millisecond))
	}
	if j.ratio <= topic.DirtyRatio(j.topic) {
		return false, again, nil
	}
	old := time.UnixMilli(first.MaxTimestamp).Add(topic.SegmentAge(j.topic))
	return dirty >= c.DirtyMin || !old.After(now), earlier(again, old), nil
}

// firstWritten is the timestamp of the first dirty batch, as Kafka takes it: one small GET.
func (c *Compactor) firstWritten(ctx context.Context, j *job, first *item) (time.Time, error) {
	if first.Inline != nil || first.Length == 0 || first.Base < j.progress.Clean {
		return time.UnixMilli(first.MaxTimestamp), nil
	}
	b, err := c.Store.Get(ctx, first.Key(j.tp), first.Position, record.HeaderSize)
	if err != nil {
		return time.Time{}, fmt.Errorf("get %s: %w", first.Key(j.tp), err)
	}
	h, err := record.ReadHeader(b)
	if err != nil {
		return time.Time{}, fmt.Errorf("%s: %w", first.Key(j.tp), err)
	}
	return time.UnixMilli(h.MaxTimestamp), nil
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
