// Package cost reckons what topics cost a month on the object store, and what the same would cost on replicated disks.
//
//	stored bytes   exact, from heads and manifests, by storage class
//	requests       counted by running brokers (their /metrics), or estimated from the rate at which records came
//	dollars        by a table of prices: built in, or a file
//
// Owns: the table, the formulas. Does not own: prices that a bill has and a table does not (discounts, minimum storage times, etcd,
// the brokers' machines, traffic to the internet).
package cost

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// Prices is a table of prices in dollars.
type Prices struct {
	Region  string           `json:"region"`
	Date    string           `json:"date"`
	Source  string           `json:"source"`
	Classes map[string]Class `json:"classes"`
	Disk    Disk             `json:"disk"`
	// CrossZoneGiB is for a GiB that leaves one zone and enters another, both sides together.
	CrossZoneGiB float64 `json:"crossZoneGiB"`
	Running      Running `json:"running"`
}

// Class is a storage class of the object store.
type Class struct {
	GiBMonth    float64 `json:"gibMonth"`
	Put1000     float64 `json:"put1000"` // PUT and LIST
	Get1000     float64 `json:"get1000"`
	RetrieveGiB float64 `json:"retrieveGiB"`
	PutGiB      float64 `json:"putGiB,omitempty"`
}

// Disk is what brokers with disks of their own would use.
type Disk struct {
	GiBMonth float64 `json:"gibMonth"`
	What     string  `json:"what"`
}

// BucketClass is the class of what is put without asking for one.
const BucketClass = "STANDARD"

//go:embed prices.json
var builtIn []byte

// BuiltIn is the table that comes with the program, as a file.
func BuiltIn() []byte { return bytes.Clone(builtIn) }

// ReadPrices reads a table.
func ReadPrices(file []byte) (Prices, error) {
	var p Prices
	d := json.NewDecoder(bytes.NewReader(file))
	d.DisallowUnknownFields()
	if err := d.Decode(&p); err != nil {
		return p, fmt.Errorf("read prices: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return p, errors.New("read prices: something follows the table")
	}
	if _, ok := p.Classes[BucketClass]; !ok {
		return p, fmt.Errorf("read prices: no class %s", BucketClass)
	}
	for name, c := range p.Classes {
		if min(c.GiBMonth, c.Put1000, c.Get1000, c.RetrieveGiB, c.PutGiB) < 0 {
			return p, fmt.Errorf("read prices: class %s: a price below 0", name)
		}
	}
	r := p.Running
	if min(r.LambdaRequest, r.LambdaGiBSecond, r.QueueRequest, r.TaskCPUHour, r.TaskGiBHour, r.BalancerHour, r.BalancerGiB, r.AddressHour, r.EndpointHour, r.InstanceHour) < 0 {
		return p, errors.New("read prices: running: a price below 0")
	}
	if p.Disk.GiBMonth < 0 || p.CrossZoneGiB < 0 {
		return p, errors.New("read prices: a price below 0")
	}
	return p, nil
}
