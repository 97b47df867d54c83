package console

import (
	"slices"
	"time"

	"github.com/firnlog/firnlog/core/archive"
	"github.com/firnlog/firnlog/core/instance"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/record"
)

// referencesMax bounds the references of one answer: the newest of what is settled, the newest of what is not.
const referencesMax = 200

// referenceJSON is a stretch of a partition, and the object that holds it.
type referenceJSON struct {
	Kind     string        `json:"kind"`
	Key      string        `json:"key"` // of the object; "": a transaction marker, which none holds
	Base     record.Offset `json:"base"`
	End      record.Offset `json:"end"`
	Position int64         `json:"position"`
	Bytes    int64         `json:"bytes"`
	Newest   int64         `json:"newest"`
	Tier     uint8         `json:"tier"` // how often these bytes were rewritten
	Covered  bool          `json:"covered"`
}

// kinds are the places of a span, for people.
func kindOfPlace(s *ledger.Span) string {
	switch {
	case s.Inline != nil:
		return "marker"
	case s.Place == ledger.InShared:
		return "shared"
	case s.Place == ledger.InOwn:
		return "settled"
	case s.Place == ledger.InCold:
		return "cold"
	}
	return "segment"
}

func reference(tp record.TopicPartition, s *ledger.Span, covered bool) referenceJSON {
	return referenceJSON{kindOfPlace(s), s.Key(tp), s.Base, s.End, s.Position, s.Length, s.MaxTimestamp, s.Tier, covered}
}

type manifestJSON struct {
	Key     string        `json:"key"`
	Base    record.Offset `json:"base"`
	End     record.Offset `json:"end"`
	Bytes   int64         `json:"bytes"`
	Objects int64         `json:"objects"`
	Newest  int64         `json:"newest"`
}

type storageJSON struct {
	Start    record.Offset   `json:"start"`
	End      record.Offset   `json:"end"`
	Stable   record.Offset   `json:"stable"`
	AsOf     int64           `json:"asOf"` // revision up to which the head in etcd covers the partition
	Manifest *manifestJSON   `json:"manifest"`
	Settled  []referenceJSON `json:"settled"` // that the manifest lists
	Spans    []referenceJSON `json:"spans"`   // not in the manifest yet
	// Left out of each list: the oldest.
	SettledLeft int64 `json:"settledLeft"`
	SpansLeft   int   `json:"spansLeft"`
}

// storage shows what one partition refers to, from the manifest to what was committed last.
func (s *Server) storage(c *call) (any, error) {
	if err := s.mayCluster(c); err != nil {
		return nil, err
	}
	t, err := s.named(c)
	if err != nil {
		return nil, err
	}
	n, err := number(c.params["partition"], "partition", 0, int64(t.Partitions)-1)
	if err != nil {
		return nil, errNoSuch
	}
	s.fresh(c)
	tp := partitionOf(t, int32(n))
	var out storageJSON
	var m *ledger.Manifest
	err = s.backend.Stream.View(func(l *ledger.Ledger) {
		p := l.Partition(tp)
		m = p.Manifest()
		out = storageJSON{Start: p.LogStart(), End: p.Next(), Stable: p.LastStable(), AsOf: int64(p.AsOf()), Settled: []referenceJSON{}, Spans: []referenceJSON{}}
		stored, fresh := p.Stored(), p.Fresh()
		out.SpansLeft = max(0, len(stored)+len(fresh)-referencesMax)
		for i := len(fresh) - 1; i >= 0 && len(out.Spans) < referencesMax; i-- {
			out.Spans = append(out.Spans, reference(tp, &fresh[i], false))
		}
		for i := len(stored) - 1; i >= 0 && len(out.Spans) < referencesMax; i-- {
			out.Spans = append(out.Spans, reference(tp, &stored[i], true))
		}
	})
	if err != nil {
		return nil, errNotNow
	}
	slices.Reverse(out.Spans)
	if m == nil {
		return out, nil
	}
	out.Manifest = &manifestJSON{m.Key(tp), m.Base, m.End, m.Bytes, m.Objects, m.MaxTimestamp}
	shelf, err := s.backend.Archive.Open(c.ctx, tp, m)
	if err != nil {
		return nil, err
	}
	return out, out.settled(c, shelf, tp, m)
}

// settled lists the newest of what the manifest has: its last pages alone are read.
func (o *storageJSON) settled(c *call, shelf *archive.Shelf, tp record.TopicPartition, m *ledger.Manifest) error {
	from := o.Start
	if m.Objects > referencesMax { // entries are of about one size: begin a little before the last of them
		from = max(from, m.End-(m.End-m.Base)*(2*referencesMax)/record.Offset(m.Objects))
	}
	for e, err := range shelf.Entries(c.ctx, from) {
		if err != nil {
			return err
		}
		if o.Settled = append(o.Settled, reference(tp, &e.Span, true)); len(o.Settled) > 2*referencesMax {
			o.Settled = append([]referenceJSON{}, o.Settled[referencesMax:]...)
		}
	}
	o.Settled = o.Settled[max(0, len(o.Settled)-referencesMax):]
	o.SettledLeft = max(0, m.Objects-int64(len(o.Settled)))
	return nil
}

type instanceJSON struct {
	Node      int32               `json:"node"`
	Self      bool                `json:"self"`
	Endpoints []instance.Endpoint `json:"endpoints"`
	HTTP      string              `json:"http"`
	Zone      string              `json:"zone"`
	Version   string              `json:"version"`
	Started   time.Time           `json:"started"`
	Format    int                 `json:"formatNewest"`
	Draining  bool                `json:"draining"`
	Preferred int                 `json:"preferred"` // partitions that clients are sent here for
}

// instances shows who lives.
func (s *Server) instances(c *call) (any, error) {
	if err := s.mayCluster(c); err != nil {
		return nil, err
	}
	live := s.backend.Cluster.Live()
	preferred := map[int32]int{}
	for _, t := range s.backend.Stream.AllTopics() {
		for n := range t.Partitions {
			if in, ok := instance.Preferred(live, partitionOf(t, n), ""); ok {
				preferred[in.Node]++
			}
		}
	}
	out := []instanceJSON{}
	for _, in := range s.backend.Cluster.Everyone() {
		out = append(out, instanceJSON{in.Node, in.Node == s.backend.Cluster.Self(), in.Endpoints, in.HTTP, in.Zone, in.Version, in.Started, in.FormatNewest, in.Draining, preferred[in.Node]})
	}
	slices.SortFunc(out, func(a, b instanceJSON) int { return int(a.Node) - int(b.Node) })
	return map[string]any{"instances": out}, nil
}
