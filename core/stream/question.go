package stream

import (
	"context"
	"strconv"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/record"
)

// question is what one read of a visit asks for.
type question struct {
	keys       coordination.Keys
	all        bool // topics
	topics     []string
	partitions []record.TopicPartition
	since      coordination.Revision
	// covered: every head covers the commits up to it. It is asked for anew, for the next question.
	covered coordination.Revision
	asked   bool // covered was, before
}

// lookCovered asks for covered alone, as of the revision that the question is about: a later one could cover the commit that
// is asked for.
func (q *question) lookCovered(ctx context.Context, kv coordination.KV, at coordination.Revision) error {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	page, err := kv.List(ctx, coordination.Range{Prefix: q.keys.Covered(), Limit: 1, At: at})
	if err != nil {
		return err
	}
	q.cover(single([]string{q.keys.Covered()}, []coordination.Page{page})[0])
	return nil
}

// cover reads the mark; one that is not there says nothing.
func (q *question) cover(it coordination.Item) {
	if covered, err := strconv.ParseInt(string(it.Value), 10, 64); err == nil {
		q.covered = coordination.Revision(covered)
	}
}

// send asks in one read-only transaction; in several at the same revision where they are too many ranges for one.
func (q *question) send(ctx context.Context, kv coordination.KV, at coordination.Revision) (*ledger.Reading, error) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	var singles []string // one key each
	for _, name := range q.topics {
		singles = append(singles, q.keys.Topic(name))
	}
	for _, tp := range q.partitions {
		singles = append(singles, q.keys.Head(tp.Topic, tp.Partition))
	}
	marks := []string{q.keys.Format(), q.keys.Floor(), q.keys.Stamp(), q.keys.Covered()}
	r := &ledger.Reading{Partitions: q.partitions, AllTopics: q.all, Since: q.since}
	var found []coordination.Item
	for first := true; first || len(singles) > 0; first = false {
		n := min(len(singles), rangesMax)
		asked := singles[:n]
		singles = singles[n:]
		if first {
			asked = append(append([]string(nil), marks...), asked...)
		}
		ranges := make([]coordination.Range, 0, coordination.OperationsMax)
		for _, key := range asked {
			ranges = append(ranges, coordination.Range{Prefix: key, Limit: 1, At: at})
		}
		if first && q.all {
			ranges = append(ranges, coordination.Range{Prefix: q.keys.Topics(), At: at})
		}
		if first && len(q.partitions) > 0 {
			ranges = append(ranges, coordination.Range{Prefix: q.keys.Commits(), At: at, MinCreate: max(q.since, q.covered) + 1})
		}
		pages, err := kv.Read(ctx, ranges...)
		if err != nil {
			return nil, err
		}
		found = append(found, single(asked, pages)...)
		rest := pages[len(asked):]
		if first && q.all {
			r.Topics, rest = rest[0].Items, rest[1:]
		}
		if len(rest) > 0 {
			r.Commits = rest[0].Items
		}
		at = pages[0].Revision
		r.Revision = at
	}
	r.Marks, found = found[:len(marks)-1], found[len(marks)-1:]
	q.cover(found[0])
	found = found[1:]
	r.Topics = append(r.Topics, found[:len(q.topics)]...)
	r.Heads = found[len(q.topics):]
	return r, nil
}

// single gives for each key its item: a range of one may begin with a longer key where the key itself is not there.
func single(keys []string, pages []coordination.Page) []coordination.Item {
	out := make([]coordination.Item, len(keys))
	for i, key := range keys {
		out[i].Key = key
		if items := pages[i].Items; len(items) > 0 && items[0].Key == key {
			out[i] = items[0]
		}
	}
	return out
}
