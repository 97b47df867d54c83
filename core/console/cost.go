package console

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/firnlog/firnlog/core/cost"
)

const (
	// costAge is how old a measurement may be; a page that asks more often gets the same.
	costAge = 10 * time.Second
	// countMin is how long an instance must have counted before a month is told from it.
	countMin = 10 * time.Minute
)

// cost reckons dollars a month by topic, as firnlog cost does.
func (s *Server) cost(c *call) (any, error) {
	if err := s.mayCluster(c); err != nil {
		return nil, err
	}
	usage, at, err := s.usage(c)
	if err != nil {
		return nil, err
	}
	requests := s.requests(usage)
	each, _ := cost.Bills(s.backend.Prices, usage, requests) // the sum would tell of topics that one may not know: the page adds up
	known := slices.DeleteFunc(each, func(b cost.Bill) bool { return !s.showsTopic(c, b.Topic) })
	slices.SortStableFunc(known, func(a, b cost.Bill) int { return cmp.Compare(b.Total, a.Total) })
	p := s.backend.Prices
	return struct {
		Topics   []cost.Bill   `json:"topics"`
		Requests cost.Requests `json:"requests"`
		Formula  string        `json:"formula"`
		Region   string        `json:"region"`
		Date     string        `json:"date"`
		Source   string        `json:"source"`
		At       time.Time     `json:"at"`
	}{append([]cost.Bill{}, known...), requests, cost.Formula(p), p.Region, p.Date, p.Source, at.UTC()}, nil
}

// usage is what topics store: as measured lately, or now. Whoever comes while it is measured waits for that.
func (s *Server) usage(c *call) ([]cost.Usage, time.Time, error) {
	select {
	case s.measuring <- struct{}{}:
		defer func() { <-s.measuring }()
	case <-c.ctx.Done():
		return nil, time.Time{}, c.ctx.Err()
	}
	usage, at := s.backend.Costs.Usage()
	if s.backend.Now().Sub(at) < costAge {
		return usage, at, nil
	}
	if err := s.backend.Costs.Step(c.ctx); err != nil {
		return nil, at, err
	}
	usage, at = s.backend.Costs.Usage()
	return usage, at, nil
}

// requests are those of a month. This instance's own count is taken for that of all live ones, once it is old enough to tell;
// until then they are estimated.
func (s *Server) requests(usage []cost.Usage) cost.Requests {
	if s.backend.Requests != nil {
		counts, up := s.backend.Requests()
		live := len(s.backend.Cluster.Live())
		if up >= countMin && live > 0 {
			months := cost.Month / up.Seconds() * float64(live)
			return cost.Requests{
				Put: counts["put"] * months, Get: counts["get"] * months, List: counts["list"] * months, Delete: counts["delete"] * months, Counted: true,
				How: fmt.Sprintf("counted by this instance, up for %v, times %d live instances; firnlog cost --metrics counts each of them", up.Round(time.Second), live),
			}
		}
	}
	rate, objects := 0.0, int64(0)
	for i := range usage {
		rate += usage[i].BytesPerSecond()
		for _, stored := range usage[i].Classes {
			objects += stored.Objects
		}
	}
	return cost.Estimate(rate, 0, objects)
}
