package cost

import "fmt"

// Bill is what a topic, or all of them, cost a month, in dollars.
type Bill struct {
	Usage
	Storage  float64 `json:"storage"`
	Requests float64 `json:"requests"`
	Total    float64 `json:"total"`
	// Replicated is what the same would cost on replicated disks.
	Replicated      float64 `json:"replicated"`
	ReplicatedDisks float64 `json:"replicatedDisks"`
	ReplicatedZones float64 `json:"replicatedTraffic"`
	BytesMonth      float64 `json:"bytesPerMonth"` // that came in
	// Unpriced classes count as the bucket's.
	Unpriced []string `json:"unpriced,omitempty"`
}

// What is assumed of brokers with replicated disks.
const (
	Replicas = 3
	Headroom = 1.5 // disks are bought before they are full
	// ZoneCrossings of each byte: to the leader from producers in the other two of three zones, and to two followers.
	// Consumers read in their own zone.
	ZoneCrossings = 2.0/3 + 2
)

const gib = 1 << 30

// Formula says how the comparison is reckoned.
func Formula(p Prices) string {
	return fmt.Sprintf("disks: bytes x %d replicas x %.1f headroom x $%g per GiB-month (%s); traffic: bytes in x %.2f zone crossings x $%g per GiB",
		Replicas, Headroom, p.Disk.GiBMonth, p.Disk.What, ZoneCrossings, p.CrossZoneGiB)
}

// Storage is what stored bytes cost a month. Classes that the table does not have count as the bucket's, and are named.
func (p Prices) Storage(u *Usage) (dollars float64, unpriced []string) {
	for name, s := range u.Classes {
		c, ok := p.Classes[name]
		if !ok {
			unpriced = append(unpriced, name)
			c = p.Classes[BucketClass]
		}
		dollars += float64(s.Bytes) / gib * c.GiBMonth
	}
	return dollars, unpriced
}

// Requests is what the requests of a month cost, at the prices of the bucket's class. Deleting is free.
func (p Prices) Requests(r *Requests) float64 {
	c := p.Classes[BucketClass]
	return (r.Put+r.List)/1000*c.Put1000 + r.Get/1000*c.Get1000
}

// Bills reckons each topic, and all of them. Requests are divided by the bytes that came in; where those are not known, by
// the bytes that are stored.
func Bills(p Prices, topics []Usage, r Requests) (each []Bill, all Bill) {
	requests := p.Requests(&r)
	in, stored := 0.0, int64(0)
	for i := range topics {
		in += topics[i].BytesPerSecond()
		stored += topics[i].Bytes()
	}
	all.Topic, all.Classes = "all", map[string]Stored{}
	for i := range topics {
		b := Bill{Usage: topics[i]}
		share := 0.0
		switch {
		case in > 0:
			share = b.BytesPerSecond() / in
		case stored > 0:
			share = float64(b.Bytes()) / float64(stored)
		}
		b.Storage, b.Unpriced = p.Storage(&b.Usage)
		b.Requests = requests * share
		b.Total = b.Storage + b.Requests
		b.BytesMonth = b.BytesPerSecond() * Month
		b.ReplicatedDisks = float64(b.Bytes()) / gib * Replicas * Headroom * p.Disk.GiBMonth
		b.ReplicatedZones = b.BytesMonth / gib * ZoneCrossings * p.CrossZoneGiB
		b.Replicated = b.ReplicatedDisks + b.ReplicatedZones
		each = append(each, b)
		all.add(&b)
	}
	if len(topics) == 0 || in == 0 && stored == 0 {
		all.Requests, all.Total = requests, requests
	}
	return each, all
}

func (b *Bill) add(o *Bill) {
	for class, s := range o.Classes {
		now := b.Classes[class]
		b.Classes[class] = Stored{now.Bytes + s.Bytes, now.Objects + s.Objects, now.Shared + s.Shared}
	}
	b.Storage, b.Requests, b.Total = b.Storage+o.Storage, b.Requests+o.Requests, b.Total+o.Total
	b.Replicated, b.ReplicatedDisks, b.ReplicatedZones = b.Replicated+o.Replicated, b.ReplicatedDisks+o.ReplicatedDisks, b.ReplicatedZones+o.ReplicatedZones
	b.BytesMonth += o.BytesMonth
	b.Unpriced = append(b.Unpriced, o.Unpriced...)
}
